"""Refits that are decided in the log of the forecaster."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refits import (
    DUE,
    FIRST_BIN,
    FITTED,
    REFIT,
    SETTINGS,
    WITHOUT,
    bins,
    closed,
    decided,
    log,
    said,
)
from slabs import LISTED

from tidecast.models.fold import ForecastFold
from tidecast.models.periodic import refits
from tidecast.models.periodic.examples import TrainingRows
from tidecast.state.cuts import Refit
from tidecast.state.errors import CheckpointError

EXPECTED = said(closed(decided(), log(14, [REFIT])))


def test_what_is_decided_acts_from_the_next_bin_on() -> None:
    without = said(closed(decided(), log(14, [WITHOUT])))
    assert EXPECTED[:8] == without[:8]
    assert EXPECTED[8][0] == DUE + 1
    assert EXPECTED[8] != without[8]


@settings(max_examples=6, deadline=None)
@given(at=st.integers(9, 14), again=st.booleans())
def test_it_does_not_matter_where_in_the_log_a_decision_stands(at: int, again: bool) -> None:
    decisions = [REFIT, WITHOUT, REFIT] if again else [REFIT]
    assert said(closed(decided(), log(14, decisions, at))) == EXPECTED


def test_refits_made_at_once_give_what_decided_ones_give(monkeypatch: pytest.MonkeyPatch) -> None:
    given_rows: list[TrainingRows] = []

    def fit(rows: TrainingRows) -> bytes:
        given_rows.append(rows)
        return FITTED if len(given_rows) == 1 else b""

    monkeypatch.setattr(refits, "fit", fit)
    fold = ForecastFold(SETTINGS)
    assert said(closed(fold, log(14, []))) == EXPECTED
    other = decided()
    closed(other, [LISTED, *bins(0, 8)])
    due = other.forecaster.refits.due
    assert due == ("trees", DUE)
    for one, two in zip(given_rows, other.forecaster.refits.training_rows(due), strict=True):
        assert {n: a.tobytes() for n, a in vars(one).items()} == {
            n: a.tobytes() for n, a in vars(two).items()
        }


def test_slabs_wait_for_the_decision_and_there_is_no_snapshot_meanwhile() -> None:
    fold = decided()
    closed(fold, [LISTED, *bins(0, 8)])
    assert (fold.is_waiting, fold.next_bin) == (False, DUE + 1)
    fold.snapshot()
    assert closed(fold, bins(8, 11)) == []
    assert (fold.is_waiting, fold.next_bin) == (True, DUE + 1)
    with pytest.raises(CheckpointError, match="before it is decided"):
        fold.snapshot()
    assert [part.slab.bin for part in closed(fold, [REFIT])] == [DUE + 1, DUE + 2, DUE + 3]
    assert (fold.is_waiting, fold.next_bin) == (False, DUE + 4)


def test_what_comes_after_the_bins_went_on_without_acts_where_it_stands() -> None:
    fold, without = decided(), said(closed(decided(), log(14, [WITHOUT])))
    found = said(closed(fold, [LISTED, *bins(0, 8), WITHOUT, *bins(8, 11), REFIT, *bins(11, 14)]))
    assert found[:11] == without[:11]
    assert found[11] != without[11]
    assert fold.forecaster.refits.due is None


def test_decisions_of_other_refits_change_nothing() -> None:
    others = [Refit("trees", DUE - 1, REFIT.artifacts), Refit("oracle", DUE, REFIT.artifacts)]
    late = Refit("trees", DUE, (b"", FITTED))
    found = said(closed(decided(), [*log(8, []), *others, REFIT, late, *bins(8, 14)]))
    assert found == EXPECTED


def test_artifacts_that_cannot_be_read_are_refused_and_bins_go_on_without(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken = Refit("trees", DUE, (b"tree\nmax_feature_idx=0\n", FITTED))
    with caplog.at_level(logging.WARNING):
        found = said(closed(decided(), log(14, [broken])))
    assert found == said(closed(decided(), log(14, [WITHOUT])))
    assert "refit of trees" in caplog.text


def test_a_restored_fold_awaits_what_the_one_before_awaited() -> None:
    fold, restored = decided(), decided()
    closed(fold, [LISTED, *bins(0, 8)])
    restored.restore(fold.snapshot())
    assert closed(restored, bins(8, 9)) == []
    assert said(closed(restored, [REFIT, *bins(9, 14)])) == EXPECTED[8:]


def test_a_fold_that_went_on_without_does_so_after_a_restart() -> None:
    fold, restored = decided(), decided()
    closed(fold, [LISTED, *bins(0, 8), WITHOUT])
    restored.restore(fold.snapshot())
    assert len(closed(restored, bins(8, 9))) == 1
    assert restored.forecaster.refits.due == ("trees", DUE)


def test_the_next_refit_takes_the_place_of_one_that_was_never_made() -> None:
    fold = decided()
    closed(fold, [LISTED, *bins(0, 8), WITHOUT, *bins(8, 16)])
    assert fold.forecaster.refits.due == ("trees", FIRST_BIN + 15)
    assert closed(fold, [REFIT, *bins(16, 17)]) == []
