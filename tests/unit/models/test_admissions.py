"""What a deep model says is admitted in the log of the forecaster."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from deep_answers import answer
from refits import CELLS, FIRST_BIN, bins, closed, said
from slabs import LISTED, settings_with

from tidecast.models.fold import Closed, ForecastFold, Given, Opened
from tidecast.state.cuts import Admission, InputMessage
from tidecast.state.errors import CheckpointError
from tidecast.state.settings.experts import DEFAULT_EXPERTS

SETTINGS = settings_with(
    forecast={
        "horizon": 3,
        "season_lengths": [4],
        "experts": [name for name in DEFAULT_EXPERTS if name != "trees"] + ["deep"],
    }
)


def fold_of() -> ForecastFold:
    return ForecastFold(SETTINGS, refits_are_decided=True)


def admitted(number: int, mean: float = 7.0) -> Admission:
    """Return the decision that an answer to the bin FIRST_BIN + ``number`` came in time."""
    bin_ = FIRST_BIN + number
    return Admission(bin_, answer(bin_, len(CELLS), mean))


def without(number: int) -> Admission:
    return Admission(FIRST_BIN + number, None)


def log(n_bins: int, decisions: Iterable[Admission]) -> list[InputMessage]:
    """Return a log in which each bin's decision follows the cuts that close it."""
    by_bin = {each.origin_bin - FIRST_BIN: each for each in decisions}
    cuts = [m for n in range(n_bins) for m in (*bins(n, n + 1), by_bin.get(n, without(n)))]
    return [LISTED, *cuts]


def given(fold: ForecastFold, messages: Iterable[InputMessage]) -> list[Given]:
    return [part for message in messages for part in fold.step(message)]


def test_a_slab_is_told_before_its_bin_waits_and_only_once() -> None:
    fold = fold_of()
    (opened,) = given(fold, [LISTED, *bins(0, 1)])
    assert isinstance(opened, Opened)
    assert (opened.slab.bin, list(opened.cells)) == (FIRST_BIN, CELLS)
    assert fold.opened == opened
    (made,) = given(fold, [without(0)])
    assert isinstance(made, Closed)
    assert made.is_told
    assert made.slab is opened.slab
    assert fold.opened is None


def test_what_is_admitted_speaks_at_its_origin_and_nowhere_else() -> None:
    parts = closed(fold_of(), log(6, [admitted(3)]))
    weights = [part.forecast.weights for part in parts if part.forecast is not None]
    assert ["deep" in each for each in weights] == [False, False, False, True, False, False]
    assert not weights[3]["deep"][0].any()
    assert (weights[3]["deep"][1] > 0).all()


def test_bins_wait_for_their_decision_and_there_is_no_snapshot_meanwhile() -> None:
    fold = fold_of()
    assert len(given(fold, [LISTED, *bins(0, 3)])) == 1
    assert (fold.is_waiting, fold.next_bin) == (True, FIRST_BIN)
    with pytest.raises(CheckpointError, match="before it is decided"):
        fold.snapshot()
    assert [type(part) for part in given(fold, [without(0)])] == [Closed, Opened]
    assert [type(part) for part in given(fold, [without(1), without(2)])] == [
        *(Closed, Opened),
        Closed,
    ]
    assert (fold.is_waiting, fold.next_bin) == (False, FIRST_BIN + 3)
    fold.snapshot()


def test_the_first_decision_of_a_bin_counts_and_others_change_nothing() -> None:
    messages = log(5, [admitted(2)])
    noisy: list[InputMessage] = []
    for message in messages:
        noisy.append(message)
        if isinstance(message, Admission):
            bin_ = message.origin_bin
            noisy += [Admission(bin_, None), admitted(bin_ - FIRST_BIN, 90.0), without(40)]
    assert said(closed(fold_of(), noisy)) == said(closed(fold_of(), messages))


def test_the_same_log_gives_the_same_bytes_after_a_restart() -> None:
    decisions = [admitted(n, 5.0 + n) for n in (1, 2, 4)]
    messages = log(6, decisions)
    expected = said(closed(fold_of(), messages))
    fold, restored = fold_of(), fold_of()
    middle = next(n for n, m in enumerate(messages) if m == without(3)) + 1
    begun = said(closed(fold, messages[:middle]))
    restored.restore(fold.snapshot())
    assert begun + said(closed(restored, messages[middle:])) == expected


def test_without_decisions_nothing_waits_and_the_expert_sleeps() -> None:
    parts = closed(ForecastFold(SETTINGS), [LISTED, *bins(0, 4)])
    decided = closed(fold_of(), log(4, []))
    assert said(parts) == said(decided)
    assert not any(part.is_told for part in parts)


def test_an_expert_that_knows_better_gains_weight_and_the_blend_its_forecasts() -> None:
    messages = log(60, [])
    means = {part.slab.bin: part.slab.values for part in closed(fold_of(), messages)}
    knowing = []
    for number in range(57):
        said_of = answer(FIRST_BIN + number, len(CELLS))
        for lead in (1, 2, 3):
            said_of.mean[1, :, lead - 1] = means[FIRST_BIN + number + lead][:, 1]
        knowing.append(Admission(FIRST_BIN + number, said_of))
    parts = closed(fold_of(), log(57, knowing))
    forecast = parts[-1].forecast
    assert forecast is not None
    assert (forecast.weights["deep"][1] > 0.9).all()
    actual = means[FIRST_BIN + 57][:, 1]
    assert np.abs(forecast.mean[1, :, 0] - actual).max() < 0.1 * actual.max()
