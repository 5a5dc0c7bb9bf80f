"""Nearest points on the globe."""

from __future__ import annotations

import numpy as np

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


def test_many_points_find_what_a_full_search_finds() -> None:
    random = np.random.default_rng(0)
    points = random.uniform([-60, -170], [60, 170], (1200, 2))
    found = nearest(points, k=4)
    latitude, longitude = np.radians(points).T
    for row in range(0, 1200, 97):
        central = np.arccos(
            np.clip(
                np.sin(latitude[row]) * np.sin(latitude)
                + np.cos(latitude[row]) * np.cos(latitude) * np.cos(longitude - longitude[row]),
                -1.0,
                1.0,
            )
        )
        central[row] = np.inf
        assert found[row].tolist() == np.argsort(central)[:4].tolist()
