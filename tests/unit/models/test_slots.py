"""Means of the local week's slots, and how much they lean on each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tidecast.models.covariates import Calendar
from tidecast.models.slots import SlotMeans
from tidecast.state.bins import HOUR, BinGrid

DAYS = Calendar(BinGrid("day"))
MONDAY = 5 * 365 + 1 + 5  # 1975-01-06
SHUT = (60.0, 80.0, 70.0, 75.0, 85.0, 0.0, 40.0)
NAN = float("nan")


def taught(week: Sequence[float], n_weeks: int = 12, spread: float = 0.2) -> SlotMeans:
    """Return the means of a cell of such days, each of which varies by ``spread`` about its own."""
    means, rng = SlotMeans(DAYS, 1), np.random.default_rng(3)
    for n in range(7 * n_weeks):
        value = week[n % 7] * (1.0 + spread * rng.standard_normal())
        means.learn(MONDAY + n, np.array([[value]]))
    return means


def mean(means: SlotMeans, day: int, prior: float = 60.0) -> float:
    slots = np.array([DAYS.slot(MONDAY + day)])
    return float(means.mean(slots, np.full((1, 1, 1), prior, np.float32))[0, 0, 0])


def test_a_day_on_which_a_busy_shop_is_shut_is_nothing() -> None:
    assert mean(taught(SHUT), day=5) < 0.02 * 60.0


def test_it_is_known_by_its_third_week() -> None:
    assert mean(taught(SHUT, n_weeks=3), day=5) < 0.1 * 60.0


def test_days_that_are_alike_lean_on_each_other() -> None:
    means = taught((10.0,) * 7, n_weeks=2, spread=0.5)
    own = [float(means.own(DAYS.slot(MONDAY + day))[0][0, 0]) for day in range(7)]
    said = [mean(means, day, prior=10.0) for day in range(7)]
    assert np.std(said) < 0.75 * np.std(own)


def test_a_day_not_seen_yet_is_that_of_the_others() -> None:
    means = SlotMeans(DAYS, 1)
    for n in range(3):
        means.learn(MONDAY + n, np.array([[10.0]]))
    assert mean(means, day=5, prior=10.0) == pytest.approx(10.0)


def test_a_cell_of_nothing_leans_as_before() -> None:
    means = SlotMeans(DAYS, 1)
    for n in range(7):
        means.learn(MONDAY + n, np.array([[0.0]]))
    assert mean(means, day=0, prior=8.0) == pytest.approx(0.5)  # 8 / (7 + 1), and half of that


@pytest.mark.parametrize("value", [NAN, 0.0, 1e-30, 1e15, -1e15])
def test_whatever_comes_means_are_finite(value: float) -> None:
    means = taught(SHUT, n_weeks=2)
    for n in range(14, 28):
        means.learn(MONDAY + n, np.array([[value if n % 3 else 1.0]]))
        assert np.isfinite([mean(means, day) for day in range(7)]).all()


def test_a_cell_that_joins_leaves_the_others_as_they_were() -> None:
    alone, joined = taught(SHUT), taught(SHUT)
    alone.learn(MONDAY, np.array([[70.0]]))
    joined.learn(MONDAY, np.array([[70.0], [1e6]]))
    prior = np.full((1, 2, 1), 60.0, np.float32)
    slots = np.array([DAYS.slot(MONDAY + 5)])
    assert joined.mean(slots, prior)[0, 0] == alone.mean(slots, prior)[0, 0]


def test_restored_means_go_on_as_before() -> None:
    calendar = Calendar(BinGrid(HOUR))
    means, rng = SlotMeans(calendar, 2), np.random.default_rng(5)
    for n in range(400):
        means.learn(24 * MONDAY + n, rng.poisson(4.0, (3, 2)).astype(np.float64))
    other = SlotMeans(calendar, 2)
    other.restore(means.snapshot())
    prior = np.ones((1, 3, 2), np.float32)
    for n in range(400, 600):
        slots = np.array([calendar.slot(24 * MONDAY + n)])
        assert other.mean(slots, prior).tobytes() == means.mean(slots, prior).tobytes()
        values = rng.poisson(4.0, (3, 2)).astype(np.float64)
        for each in (means, other):
            each.learn(24 * MONDAY + n, values)
