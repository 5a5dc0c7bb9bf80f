"""Scaled errors by day."""

from __future__ import annotations

import numpy as np
import pytest

from tidecast.models.evaluate.denominators import Denominators
from tidecast.models.evaluate.scaled_days import ScaledDays
from tidecast.models.profile import ForecastProfile
from tidecast.state.bins import HOUR, BinGrid

MIDNIGHT = 480_000
DAY = BinGrid(HOUR).local(MIDNIGHT).toordinal()
PROFILE = ForecastProfile(
    series=("demand",),
    grid=BinGrid(HOUR),
    horizon=2,
    quantile_levels=(0.5,),
    season_lengths=(2,),
    experts=("seasonal_naive",),
)


def days() -> ScaledDays:
    """Return days of three cells: off by 2 and 4 a season, 1 and 2 a bin, and one that is new."""
    denominators = Denominators(1, season=2)
    for bin_ in range(MIDNIGHT - 6, MIDNIGHT):
        denominators.observe(bin_, np.array([[1.0, 2.0]]) * (bin_ - MIDNIGHT))
    return ScaledDays(PROFILE, denominators)


def add(days: ScaledDays, bin_: int, *errors: tuple[float, ...]) -> None:
    """Add the errors of a bin, cells by leads; NaN is no forecast."""
    error = np.array(errors)
    known = np.isfinite(error)
    plain = np.stack([known * 1.0, known * 9.0, np.abs(error), error**2])
    days.add(bin_, list(range(error.shape[1])), np.where(known, plain, 0.0)[:, None])


def test_errors_of_a_day_are_scaled_cell_by_cell_and_then_averaged() -> None:
    found = days()
    add(found, MIDNIGHT, (2.0, 4.0), (4.0, 8.0), (99.0, 99.0))
    add(found, MIDNIGHT + 23, (4.0, np.nan), (-8.0, np.nan), (99.0, np.nan))
    add(found, MIDNIGHT + 24, (3.0, 1.0), (np.nan, np.nan), (99.0, 99.0))
    (first, mase), (second, next_mase) = (
        (day, figures[:, 0]) for day, figures in found.days().items()
    )
    assert (first, second) == (DAY, DAY + 1)
    # in seasons' errors both cells were off by 1, 2 and 2; in steps' by 2, 4 and 4
    assert mase[0] == pytest.approx([5 / 3, 3 / 2])
    assert mase[1] == pytest.approx([np.sqrt((4 + 16 + 16) / 3), np.sqrt((4 + 16) / 2)])
    assert next_mase == pytest.approx(np.array([[1.0, 1.5], [np.sqrt(5), 3.0]]))


def test_a_day_of_which_nothing_can_be_scaled_has_no_figure() -> None:
    found = days()
    assert found.days() == {}
    add(found, MIDNIGHT, (np.nan, np.nan), (np.nan, np.nan), (5.0, 5.0))
    assert np.isnan(found.days()[DAY]).all()


def test_it_goes_on_from_a_snapshot() -> None:
    whole, half, rest = days(), days(), days()
    for bin_ in range(MIDNIGHT, MIDNIGHT + 60):
        some = whole, half if bin_ < MIDNIGHT + 30 else rest
        for each in some:
            add(each, bin_, (bin_ % 7, 1.0), (2.0, bin_ % 5), (3.0, 3.0))
        if bin_ == MIDNIGHT + 29:
            rest.restore({name: array.copy() for name, array in half.snapshot().items()})
    one, other = whole.days(), rest.days()
    assert list(one) == list(other) == [DAY, DAY + 1, DAY + 2]
    assert all(one[day].tobytes() == other[day].tobytes() for day in one)
