"""Denominators of scaled errors."""

from __future__ import annotations

import numpy as np
import pytest

from tidecast.models.evaluate.denominators import Denominators

ACTUALS = [3.0, 5.0, 4.0, 6.0, np.nan, 9.0]


def of(actuals: list[float], season: int = 2, first_bin: int = 100) -> Denominators:
    found = Denominators(1, season)
    for bin_, actual in enumerate(actuals, first_bin):
        found.observe(bin_, np.array([[actual]]))
    return found


def test_they_are_mean_errors_of_the_season_and_of_the_last_value() -> None:
    found = of(ACTUALS)
    assert found.season().tolist() == [[pytest.approx((1 + 1 + 3) / 3)]]
    assert found.step().tolist() == [[pytest.approx((4 + 1 + 4) / 3)]]


def test_what_never_differs_scales_nothing() -> None:
    assert np.isnan(of([7.0] * 10).season()).all()
    assert np.isnan(of([1.0]).step()).all()


def test_a_skipped_bin_is_no_neighbour() -> None:
    found = Denominators(1, 2)
    for bin_, actual in ((10, 1.0), (12, 4.0), (13, 6.0)):
        found.observe(bin_, np.array([[actual]]))
    assert found.season().tolist() == [[3.0]]
    assert found.step().tolist() == [[4.0]]


def test_rows_may_come_later() -> None:
    found = of(ACTUALS[:3])
    for bin_, second in ((103, 1.0), (104, 2.0)):
        found.observe(bin_, np.array([[6.0, second]]))
    assert found.step()[0, 1] == 1.0
    assert np.isnan(found.season()[0, 1])


def test_a_restored_one_goes_on() -> None:
    one, other = of(ACTUALS), Denominators(1, 2)
    other.restore(one.snapshot())
    for each in (one, other):
        each.observe(106, np.array([[2.0]]))
    assert one.season() == other.season()
    assert one.step() == other.step()
