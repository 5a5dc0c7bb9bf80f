"""Models that answer beside the champion: who of them is promoted, rejected, brought back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from deep_worlds import DAY, N_CELLS, small_about, small_config, small_network  # noqa: E402

from tidecast.models.deep.contest import Contest, Decision, Parties  # noqa: E402
from tidecast.models.deep.context import ClosedBin, Context  # noqa: E402
from tidecast.models.deep.history import Scales  # noqa: E402
from tidecast.models.deep.live import LiveModel  # noqa: E402
from tidecast.models.deep.model import Model  # noqa: E402
from tidecast.models.deep.promotion import Bounds  # noqa: E402
from tidecast.state.bins import HOUR, BinGrid, iso  # noqa: E402
from tidecast.state.cells import Cell  # noqa: E402
from tidecast.state.deep_forecast import DeepForecast  # noqa: E402
from tidecast.state.settings import RegionsSettings  # noqa: E402

GRID = BinGrid(HOUR)
FIRST = 480_000
HORIZON = 3
CELLS = [Cell(f"region {n}", "x") for n in range(N_CELLS)]
SIZES = 5.0 + 40.0 * np.arange(N_CELLS)
BOUNDS = Bounds(span=60, watch=30, least=50)
SCALES = Scales(SIZES[:, None].astype("f4"), np.sqrt(SIZES)[:, None].astype("f4"))

PATIENCE = 2.0


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


CLOCK = Clock()
Biases = float | np.ndarray


def truth(bin_: int) -> np.ndarray:
    """Return what comes on the mean in a bin: (cell,)."""
    return SIZES * (1.5 + np.sin(2 * np.pi * bin_ / DAY))


def value(bin_: int) -> np.ndarray:
    """Return what came in a bin, with errors of its own: (cell, series)."""
    return np.random.default_rng(bin_).poisson(truth(bin_))[:, None].astype("f4")


class Oracle(LiveModel):
    """Says the truth with an error of so many shares of it, and is ``sure`` of it or not."""

    def __init__(
        self, name: str, error: Biases = 0.0, sure: float = 1.0, until: int = FIRST, **changes: Any
    ) -> None:
        given = {"n_series": 1, "n_future": 0, "n_static": 0, **changes}
        about = small_about(series=("demand",), last=iso(GRID.start(until)))
        model = Model(small_network(small_config(**given)), tuple(CELLS), SCALES, about)
        super().__init__(name, model, ["demand"], GRID, HORIZON)
        self.error, self.sure = error, sure
        self.takes: Callable[[int], float] = lambda _: 0.0
        self.asked: list[int] = []

    def answer(self, context: Context, positions: Mapping[str, Any]) -> DeepForecast | None:
        origin = context.last_bin
        assert origin is not None
        self.asked.append(origin)
        CLOCK.now += self.takes(origin)
        usual = np.stack([truth(origin + lead) for lead in range(1, HORIZON + 1)], axis=1)
        usual = usual.astype(np.float32)
        drawn = np.random.default_rng((origin, len(self.name))).normal(size=usual.shape)
        wrong = usual * (1.0 + np.reshape(self.error, (-1, 1)) * drawn)
        scale = np.sqrt(usual + (usual * np.reshape(self.error, (-1, 1))) ** 2) / self.sure
        return DeepForecast(
            origin, self.name, *(each.astype("f4")[None] for each in (wrong, scale))
        )


def told(contest: Contest, n_bins: int, first: int = FIRST) -> Contest:
    for bin_ in range(first, first + n_bins):
        contest.take(0, ClosedBin(bin_, CELLS, value(bin_)))
    return contest


def contest_of(
    champion: LiveModel, *challengers: LiveModel, former: LiveModel | None = None
) -> Contest:
    parties = Parties(champion, challengers, former)
    return Contest(parties, 1, RegionsSettings(), BOUNDS, PATIENCE, CLOCK)


def decided(contest: Contest) -> list[tuple[str, str]]:
    return [(decision.model, decision.outcome) for decision in contest.decisions()]


def test_one_that_never_answers_in_time_is_out_and_one_that_mostly_does_not_is_in() -> None:
    never, once = Oracle("never", 0.05), Oracle("once", 0.05)
    never.takes = lambda _: PATIENCE + 0.5
    once.takes = lambda origin: PATIENCE + 0.5 * (origin != FIRST + 20)
    first, second = told(contest_of(Oracle("old", 0.3), never, once), ENOUGH).decisions()
    assert (first.outcome, first.reason) == ("rejected", "its quickest answer took 2.5 s")
    assert second.outcome == "promoted"


ENOUGH = 10 + BOUNDS.span + HORIZON  # bins of context, origins, leads


def test_a_better_challenger_is_promoted_once_its_span_is_scored() -> None:
    contest = told(contest_of(Oracle("old", 0.3), Oracle("better", 0.05)), ENOUGH - 1)
    assert decided(contest) == []
    assert decided(told(contest, 1, FIRST + ENOUGH - 1)) == [("better", "promoted")]


def test_one_that_is_worse_or_no_better_is_rejected_with_the_reason() -> None:
    contest = contest_of(Oracle("old", 0.1), Oracle("worse", 0.3), Oracle("a twin", 0.1))
    worse, twin = told(contest, ENOUGH).decisions()
    assert (worse.model, worse.outcome, twin.outcome) == ("worse", "rejected", "rejected")
    assert worse.reason.startswith("not significantly better")


def test_a_group_of_cells_that_gets_worse_vetoes() -> None:
    small_is_wrong = np.where(SIZES < 10, 0.9, 0.02)
    (said,) = told(
        contest_of(Oracle("old", 0.3), Oracle("new", small_is_wrong)), ENOUGH
    ).decisions()
    assert said.outcome == "rejected"
    assert said.reason.startswith("group 2 is worse by ")


def test_a_cell_that_varies_the_most_does_not_decide_for_all() -> None:
    last_is_wrong = np.array([0.05, 0.05, 0.05, 0.05, 0.05, 5.0])
    champion, challenger = Oracle("old", 0.3), Oracle("new", last_is_wrong)
    assert decided(told(contest_of(champion, challenger), ENOUGH)) == [("new", "rejected")]
    level, spread = np.full((N_CELLS, 1), 50.0, np.float32), np.ones((N_CELLS, 1), np.float32)
    spread[-1] = 1e6
    champion.usual = lambda context: Scales(level, spread)  # type: ignore[method-assign]
    assert decided(told(contest_of(champion, challenger), ENOUGH)) == [("new", "promoted")]


def test_intervals_that_hold_too_little_veto() -> None:
    (said,) = told(contest_of(Oracle("old", 0.3), Oracle("new", 0.0, 1.5)), ENOUGH).decisions()
    assert (said.outcome, said.reason[:8]) == ("rejected", "coverage")


def test_a_champion_that_is_worse_than_the_one_before_is_rolled_back() -> None:
    contest = contest_of(Oracle("now", 0.3), former=Oracle("before", 0.05))
    contest.watching = True
    told(contest, 10 + BOUNDS.watch + HORIZON)
    assert decided(contest) == [("now", "rolled_back")]


def test_a_champion_that_falls_silent_is_rolled_back_where_the_one_before_speaks() -> None:
    mute = Oracle("now")
    mute.answer = silent  # type: ignore[method-assign,assignment]
    contest = contest_of(mute, former=Oracle("before"))
    contest.watching = True
    assert decided(told(contest, 10 + BOUNDS.watch - 1)) == []
    (said,) = told(contest, 1, FIRST + 10 + BOUNDS.watch - 1).decisions()
    assert (said.model, said.outcome) == ("now", "rolled_back")
    assert said.reason == "no sound answer to 30 bins that the one before has answered"
    contest = contest_of(mute, former=mute)  # what is wrong may be the bins
    contest.watching = True
    assert decided(told(contest, 100)) == []


def test_a_champion_that_is_no_worse_is_kept_and_watched_anew() -> None:
    contest = contest_of(Oracle("now", 0.1), former=Oracle("before", 0.2))
    contest.watching = True
    told(contest, 10 + BOUNDS.watch + HORIZON)
    assert decided(contest) == [("now", "kept")]
    assert decided(contest) == []
    told(contest, BOUNDS.watch, FIRST + 10 + BOUNDS.watch + HORIZON)
    assert decided(contest) == [("now", "kept")]


def test_a_champion_is_not_watched_over_bins_of_the_past() -> None:
    former = Oracle("before", 0.05)
    contest = told(contest_of(Oracle("now", 0.3), former=former), 100)
    assert former.asked == []
    assert decided(contest) == []


def test_nobody_is_judged_by_bins_that_one_of_the_two_has_learnt_from() -> None:
    champion, challenger = Oracle("old", until=FIRST + 40), Oracle("new", until=FIRST + 30)
    told(contest_of(champion, challenger), 60)
    assert challenger.asked[0] == FIRST + 39
    told(contest_of(champion, later := Oracle("later", until=FIRST + 55)), 60)
    assert later.asked[0] == FIRST + 54


def test_nobody_is_asked_before_there_is_all_they_look_back_at() -> None:
    challenger = Oracle("new", context_length=14)
    told(contest_of(Oracle("old"), challenger), 30)
    assert challenger.asked[0] == FIRST + 14


def test_a_contest_that_begins_anew_at_the_tail_decides_the_same() -> None:
    def decisions(first: int) -> list[Decision]:
        until = FIRST + 30
        contest = contest_of(Oracle("old", 0.11, until=until), Oracle("new", 0.1, until=until))
        return list(told(contest, FIRST + 30 + ENOUGH - first, first).decisions())

    assert decisions(FIRST) == decisions(FIRST + 15) != []


def silent(context: Context, positions: Mapping[str, Any]) -> None:
    return None


def failing(context: Context, positions: Mapping[str, Any]) -> None:
    raise RuntimeError("out of memory")


@pytest.mark.parametrize("answer", [silent, failing])
def test_a_challenger_without_a_sound_answer_is_out(answer: Callable[..., Any]) -> None:
    broken, sound = Oracle("broken"), Oracle("sound", 0.1)
    broken.answer = answer  # type: ignore[method-assign]
    contest = told(contest_of(Oracle("old", 0.3), broken, sound), 12)
    (said,) = contest.decisions()
    assert (said.model, said.outcome) == ("broken", "rejected")
    assert said.reason.startswith(f"no sound answer to bin {FIRST + 10}")
    told(contest, ENOUGH - 12, FIRST + 12)
    assert decided(contest) == [("broken", "rejected"), ("sound", "promoted")]


def test_bins_that_never_came_and_a_champion_that_is_silent_count_for_nothing() -> None:
    champion = Oracle("old", 0.3)
    contest = contest_of(champion, Oracle("better", 0.05))
    told(contest, 40)
    told(contest, ENOUGH, FIRST + 5_000)
    assert decided(contest) == [("better", "promoted")]
    mute = Oracle("mute")
    mute.answer = silent  # type: ignore[method-assign,assignment]
    assert decided(told(contest_of(mute, Oracle("new")), ENOUGH)) == []


def test_a_challenger_that_leaves_out_a_series_of_the_champion_is_out() -> None:
    def of_two(name: str, *silent: int) -> LiveModel:
        model = Oracle(name)
        said = model.answer

        def answer(context: Context, positions: Mapping[str, Any]) -> DeepForecast | None:
            whole = said(context, positions)
            assert whole is not None
            mean, scale = (np.repeat(each, 2, axis=0) for each in (whole.mean, whole.scale))
            mean[list(silent)] = scale[list(silent)] = np.nan
            return replace(whole, mean=mean, scale=scale)

        model.answer = answer  # type: ignore[method-assign]
        return model

    contest = contest_of(of_two("old"), of_two("half", 1))
    (said,) = told(contest, 12).decisions()
    assert (said.model, said.outcome) == ("half", "rejected")
    assert said.reason == f"no answer to bin {FIRST + 10} for a series of the champion"
