"""Rows without gaps, and what stands in for a peer."""

from __future__ import annotations

import numpy as np
import pytest
from rivals import TASK

from tidecast.models.peers.rows import filled, joined
from tidecast.models.peers.stand_in import seasonal_naive

NAN = np.nan


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ([NAN, NAN, 1.0, 2.0], [1.0, 2.0]),
        ([1.0, NAN, 3.0, NAN, NAN], [1.0, 1.0, 3.0, 1.0, 3.0]),
        ([NAN, NAN], []),
    ],
)
def test_a_gap_takes_the_value_of_a_season_before(row: list[float], expected: list[float]) -> None:
    assert filled(np.array(row), season=2).tolist() == expected


def test_filling_looks_back_only() -> None:
    row = np.array([NAN, 4.0, NAN, 6.0, NAN, 1.0, NAN])
    whole = filled(row, season=2)
    for end in range(1, len(row)):
        start = filled(row[:end], season=2)
        assert start.tolist() == whole[: len(start)].tolist()


def test_a_row_that_came_since_was_unknown_before() -> None:
    both = joined(np.array([[1.0], [2.0]]), np.array([[3.0, 9.0]]))
    assert both[:, 0].tolist() == [1.0, 2.0, 3.0]
    assert np.isnan(both[:2, 1]).all()
    assert both[2, 1] == 9.0


def test_the_seasonal_naive_repeats_the_season_with_the_spread_of_its_errors() -> None:
    row = np.arange(28.0)
    said = seasonal_naive(row, TASK)
    assert said[:, 0].tolist() == [21.0, 22.0, 23.0]
    assert said[:, 1:].tolist() == [[mean + 7.0] * 3 for mean in (21.0, 22.0, 23.0)]


def test_of_an_unknown_row_nothing_is_expected() -> None:
    assert seasonal_naive(np.zeros(0), TASK).tolist() == [[0.0] * 4] * 3
