"""Leave one out: a run that has all experts knows what one without each would have given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from tidecast.models.evaluate.backtest import Backtest
from tidecast.models.evaluate.evaluator import Span
from tidecast.models.evaluate.metrics import Score, scores_of
from tidecast.models.profile import ForecastProfile
from tidecast.models.scores import BLEND
from tidecast.state.bins import HOUR, BinGrid
from tidecast.state.cells import Cell
from tidecast.state.slabs import Slab

FIRST = 480_000
N_BINS = 60
CELLS = [Cell(f"region {n}", "toys") for n in range(3)]
PROFILE = ForecastProfile(
    series=("demand", "traffic"),
    grid=BinGrid(HOUR),
    horizon=3,
    quantile_levels=(0.05, 0.1, 0.5, 0.9, 0.95),
    season_lengths=(6,),
    experts=("seasonal_naive", "time_of_week", "linear"),
    reach=2 * HOUR,
)
SPAN = Span(FIRST + 12)


def slabs() -> Sequence[Slab]:
    """Return sixty bins, one of which is corrected later; the last cell is new half way."""
    random = np.random.default_rng(3)
    day = 1.2 + np.sin(np.arange(N_BINS) * np.pi / 3)
    values = random.poisson(day[:, None, None] * np.array([[1, 30], [6, 3], [20, 9]])) * 1.0
    made = [Slab(FIRST + n, each if n > N_BINS // 2 else each[:2]) for n, each in enumerate(values)]
    return [*made[:41], Slab(FIRST + 39, values[39] + 4.0, revision=1), *made[41:]]


def run(profile: ForecastProfile, left_out: Sequence[str] = ()) -> Backtest:
    backtest = Backtest(profile, SPAN, left_out=left_out)
    step(backtest, slabs())
    backtest.end()
    return backtest


def step(backtest: Backtest, these: Sequence[Slab]) -> None:
    for slab in these:
        backtest.step(slab, CELLS[: len(slab.values)], {})


@pytest.fixture(scope="module")
def whole() -> Backtest:
    return run(PROFILE, PROFILE.experts)


def left_out(backtest: Backtest) -> list[Score]:
    assert backtest.left_out is not None
    return list(backtest.left_out.scores())


@pytest.mark.parametrize("name", PROFILE.experts)
def test_it_gives_the_figures_of_a_run_without_the_expert(whole: Backtest, name: str) -> None:
    others = tuple(other for other in PROFILE.experts if other != name)
    alone = run(replace(PROFILE, experts=others))
    expected = [score for score in scores_of(alone.evaluator) if score.expert == BLEND]
    found = [
        replace(score, expert=BLEND)
        for score in left_out(whole)
        if score.expert == f"without {name}" and not score.metric.startswith("dm_")
    ]
    assert len(found) > 100
    for one, other in zip(found, expected, strict=True):
        assert replace(one, value=None) == replace(other, value=None)
        assert one.value == pytest.approx(other.value, rel=1e-6)  # sums are of other arrays


def test_one_that_is_left_out_alone_gives_the_same_figures(whole: Backtest) -> None:
    found = left_out(run(PROFILE, ("linear",)))
    assert found
    assert found == [score for score in left_out(whole) if score.expert == "without linear"]


def test_the_blend_is_tested_against_each_blend_without_an_expert(whole: Backtest) -> None:
    tested = {score.expert for score in left_out(whole) if score.metric == "dm_pinball_statistic"}
    assert tested == {f"without {name}" for name in PROFILE.experts}


def test_leaving_experts_out_changes_no_other_figure(whole: Backtest) -> None:
    plain = run(PROFILE)
    assert list(scores_of(whole.evaluator)) == list(scores_of(plain.evaluator))


def test_it_goes_on_from_a_snapshot_to_the_byte(whole: Backtest) -> None:
    half, rest = (Backtest(PROFILE, SPAN, left_out=PROFILE.experts) for _ in range(2))
    step(half, slabs()[:41])
    kept = {name: array.copy() for name, array in half.snapshot().items()}
    rest.restore(kept, CELLS)
    step(rest, slabs()[41:])
    rest.end()
    assert left_out(rest) == left_out(whole)


def test_forecasts_are_scored_the_same_in_parts(
    whole: Backtest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidecast.models.evaluate.evaluator.AT_ONCE", 1)
    parts = left_out(run(PROFILE, PROFILE.experts))
    for one, other in zip(parts, left_out(whole), strict=True):
        assert replace(one, value=None) == replace(other, value=None)
        assert one.value == pytest.approx(other.value, rel=1e-6)
