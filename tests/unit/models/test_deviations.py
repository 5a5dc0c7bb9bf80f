"""Covariates against what they usually are."""

from __future__ import annotations

import numpy as np

from tidecast.models.deviations import Deviations
from tidecast.state.settings.base import DAY


def learnt(*values: float) -> Deviations:
    deviations = Deviations(1, DAY)
    for value in values:
        row = np.array([[value, value + 100.0]])
        deviations.widen(row)
        deviations.learn(row)
    return deviations


def test_a_deviation_is_from_the_cells_own_mean_in_the_largest_that_was_met() -> None:
    prices = learnt(*[10.0] * 50, 8.0)
    assert np.allclose(prices.of(np.array([[9.0, 108.0]])), [[-0.49, -0.99]], atol=0.02)


def test_beyond_what_was_met_is_as_much_as_was_met() -> None:
    assert np.allclose(learnt(*[0.0] * 50, 1.0).of(np.array([[9e9, 101.0]])), 1.0, atol=0.03)
    assert (learnt(*[0.0] * 50).of(np.array([[1.0, 101.0]])) == 0.0).all()


def test_what_is_missing_deviates_by_nothing_and_moves_no_mean() -> None:
    deviations = learnt(0.0, 1.0, np.nan, np.nan)
    assert (deviations.of(np.array([[np.nan, np.nan]])) == 0.0).all()
    assert deviations.of(np.array([[0.5, 100.5]])).tolist() == [[0.0, 0.0]]


def test_a_unit_that_grows_tells_by_how_much() -> None:
    deviations = learnt(*[0.0] * 50, 1.0)
    assert np.allclose(deviations.widen(np.array([[1.5, 100.0]])), 0.66, atol=0.02)


def test_an_absurd_value_sets_neither_unit_nor_mean() -> None:
    plain, odd = learnt(*[1.0, -1.0] * 50), learnt(*[1.0, -1.0] * 50, -9999.0)
    asked = np.array([[0.5, 100.5]])
    assert (odd.of(asked) > 0.4 * plain.of(asked)).all()


def test_a_unit_that_is_too_small_grows_within_a_few_bins() -> None:
    grown = learnt(*[0.0] * 50, 1.0, *[64.0] * 7)
    assert grown.of(np.array([[32.0, 132.0]]))[0, 0] < 0.6


def test_new_cells_deviate_by_nothing() -> None:
    deviations = learnt(*[0.0] * 50, 1.0)
    assert deviations.of(np.array([[0.0, 100.0, 7.0]]))[0, 2] == 0.0
