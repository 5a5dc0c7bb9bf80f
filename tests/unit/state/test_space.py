"""Nearest points on the globe."""

from __future__ import annotations

import numpy as np
import pytest

from tidecast.state.space import nearest


def test_the_nearest_come_first_and_oneself_never() -> None:
    points = np.array([[0.0, 0.0], [0.0, 1.0], [0.0, 5.0]])
    assert nearest(points, k=2).tolist() == [[1, 2], [0, 2], [1, 0]]


def test_missing_places_are_minus_one() -> None:
    assert nearest(np.array([[0.0, 0.0], [0.0, 1.0]]), k=3).tolist() == [[1, -1, -1], [0, -1, -1]]
    assert nearest(np.zeros((1, 2)), k=2).tolist() == [[-1, -1]]
    assert nearest(np.zeros((0, 2)), k=2).shape == (0, 2)


def test_the_date_line_and_the_poles_do_not_divide_neighbours() -> None:
    points = np.array([[0.0, 179.9], [0.0, -179.9], [0.0, 178.0], [89.9, 0.0], [89.9, 180.0]])
    found = nearest(points, k=1)[:, 0].tolist()
    assert found == [1, 0, 0, 4, 3]


def test_a_point_without_position_has_no_neighbours_and_is_nobodys() -> None:
    points = np.array([[0.0, 0.0], [np.nan, np.nan], [0.0, 1.0]])
    assert nearest(points, k=2).tolist() == [[2, -1], [-1, -1], [0, -1]]


def test_ties_go_to_the_lower_number() -> None:
    points = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, -1.0], [-1.0, 0.0]])
    assert nearest(points, k=2)[0].tolist() == [1, 2]


RANDOM = np.random.default_rng(0)
SPREADS = {
    "everywhere": RANDOM.uniform([-90, -180], [90, 180], (1200, 2)),
    "in towns": RANDOM.uniform([-60, -170], [60, 170], (12, 2)).repeat(100, axis=0)
    + RANDOM.normal(0.0, 0.05, (1200, 2)),
    "one far away": np.concatenate([RANDOM.normal(0.0, 0.01, (1152, 2)), [[80.0, 100.0]]]),
    "around a pole": RANDOM.uniform([89.0, -180], [90, 180], (1200, 2)),
}


@pytest.mark.parametrize("spread", SPREADS)
def test_many_points_find_what_a_full_search_finds(spread: str) -> None:
    points = SPREADS[spread]
    found = nearest(points, k=4)
    latitude, longitude = np.radians(points).T
    for row in [*range(0, len(points), 11), len(points) - 1]:
        across = np.cos(latitude[row]) * np.cos(latitude)
        haversine = (
            np.sin((latitude - latitude[row]) / 2) ** 2
            + across * np.sin((longitude - longitude[row]) / 2) ** 2
        )
        haversine[row] = np.inf
        assert found[row].tolist() == np.argsort(haversine)[:4].tolist()
