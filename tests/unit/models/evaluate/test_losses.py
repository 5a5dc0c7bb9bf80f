"""Losses of single forecasts, against values computed by hand."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from numpy.typing import NDArray

from tidecast.models.evaluate.losses import crps, inside, pinball, stretch

FIVE = np.array([0.05, 0.1, 0.5, 0.9, 0.95])
DENSE = np.arange(1, 100) / 100
OUTER, INNER = (0, 4), (1, 3)


def row(*quantiles: float) -> NDArray[np.float64]:
    return np.array(quantiles)


def score(
    actual: NDArray[np.float64], quantiles: NDArray[np.float64], levels: NDArray[np.float64]
) -> NDArray[np.floating]:
    return crps(actual, quantiles, pinball(actual, quantiles, levels), levels)


def share(
    actual: NDArray[np.float64],
    quantiles: NDArray[np.float64],
    levels: NDArray[np.float64],
    bounds: tuple[int, int],
    half: float = 0.0,
) -> NDArray[np.floating]:
    return inside(*stretch(actual, quantiles, levels, half), levels[bounds[0]], levels[bounds[1]])


def test_pinball_weighs_what_is_above_by_the_level_and_what_is_below_by_the_rest() -> None:
    losses = pinball(np.array(5.0), row(3.0, 4.0, 5.0, 6.0, 7.0), FIVE)
    assert np.allclose(losses, [0.05 * 2, 0.1 * 1, 0.0, 0.1 * 1, 0.05 * 2])


def test_a_perfect_forecast_loses_nothing() -> None:
    actual, quantiles = np.array([3.0, 0.0]), np.array([[3.0] * 5, [0.0] * 5])
    assert (pinball(actual, quantiles, FIVE) == 0).all()
    assert (score(actual, quantiles, FIVE) == 0).all()


def test_crps_of_a_point_is_its_absolute_error() -> None:
    for actual in (5.0, -1.0):
        for levels in (FIVE, DENSE):
            found = score(np.array(actual), np.full(len(levels), 2.0), levels)
            assert np.isclose(found, 3.0)


def test_crps_of_a_normal_forecast_is_the_known_formula() -> None:
    normal = NormalDist()
    quantiles = np.array([normal.inv_cdf(level) for level in DENSE])
    for actual in (0.0, 0.7, -2.0):
        known = actual * (2 * normal.cdf(actual) - 1) + 2 * normal.pdf(actual) - np.pi**-0.5
        found = score(np.array(actual), quantiles, DENSE)
        assert np.isclose(found, known, atol=0.01)


@pytest.mark.parametrize(
    ("actual", "outer", "inner"),
    [(0.9, 0, 0), (1.0, 1, 0), (1.9, 1, 0), (2.0, 1, 1), (5.0, 1, 1), (8.0, 1, 1), (8.1, 1, 0),
     (9.0, 1, 0), (9.1, 0, 0)],
)  # fmt: skip
def test_a_continuous_actual_is_inside_or_not(actual: float, outer: int, inner: int) -> None:
    quantiles = row(1.0, 2.0, 5.0, 8.0, 9.0)
    assert share(np.array(actual), quantiles, FIVE, OUTER) == outer
    assert share(np.array(actual), quantiles, FIVE, INNER) == inner


def test_a_zero_that_was_certain_is_inside_by_the_share_of_the_interval() -> None:
    assert np.isclose(share(np.array(0.0), np.zeros(5), FIVE, INNER), 0.8)
    assert np.isclose(share(np.array(0.0), np.zeros(5), FIVE, OUTER), 0.9)
    assert share(np.array(1.0), np.zeros(5), FIVE, OUTER) == 0


def test_a_tied_zero_takes_the_stretch_of_its_probability() -> None:
    quantiles = row(0.0, 0.0, 0.0, 4.0, 6.0)  # zero has a probability of a half
    assert np.isclose(share(np.array(0.0), quantiles, FIVE, INNER), 0.4 / 0.5)


@pytest.mark.parametrize("mean", [0.05, 0.7, 3.0, 40.0])
def test_honest_forecasts_of_counts_cover_what_they_promise(mean: float) -> None:
    random = np.random.default_rng(4)
    counts = random.poisson(mean, 20_000).astype(np.float64)
    spread = random.poisson(mean, 200_000) + random.uniform(-0.5, 0.5, 200_000)
    quantiles = np.tile(np.maximum(np.quantile(spread, DENSE), 0.0), (len(counts), 1))
    for low, high in ((4, 94), (9, 89)):
        found = share(counts, quantiles, DENSE, (low, high), 0.5).mean()
        assert abs(found - (DENSE[high] - DENSE[low])) < 0.01


def test_one_level_is_enough_to_stand_below_or_above() -> None:
    start, end = stretch(np.array([1.0, 3.0]), np.array([[2.0], [2.0]]), np.array([0.5]), 0.5)
    assert start.tolist() == [0.0, 1.0]
    assert end.tolist() == [0.0, 1.0]


def test_the_share_of_a_count_is_what_a_randomised_pit_gives_on_average() -> None:
    quantiles = row(0.0, 0.2, 1.1, 2.9, 4.0)
    below = np.interp([0.5, 1.5], quantiles[1:4], FIVE[1:4])  # of a count of one
    drawn = np.random.default_rng(1).uniform(*below, 100_000)
    expected = ((drawn >= 0.1) & (drawn <= 0.9)).mean()
    found = share(np.array(1.0), quantiles, FIVE, INNER, 0.5)
    assert abs(found - expected) < 0.005
