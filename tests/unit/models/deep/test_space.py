"""Neighbours weigh by distance, and regions lie on a map."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tidecast.models.deep.space import Space, grid_places, nearness_of  # noqa: E402

POSITIONS = np.array([[0.0, 0.0], [0.0, 1.0], [2.0, 0.0], [np.nan, np.nan]])
NEAR = np.array([[1, 2], [0, 2], [0, 1], [-1, -1]])


def test_nearer_neighbours_weigh_more_and_none_weighs_nothing() -> None:
    weight = nearness_of(NEAR, POSITIONS)
    assert weight[0, 0] > weight[0, 1] > 0
    assert weight[3].tolist() == [0.0, 0.0]


def test_the_mean_of_neighbours_is_weighted_and_zero_without_any() -> None:
    weight = torch.tensor([[3.0, 1.0]]).expand(4, 2)
    space = Space(torch.as_tensor(NEAR), weight, torch.zeros(4, 2, dtype=torch.int64))
    state = torch.tensor([[[10.0], [20.0], [40.0], [80.0]]])
    assert space.near_mean(state)[0, :, 0].tolist() == [25.0, 17.5, 12.5, 0.0]


def test_places_span_the_grid_and_nowhere_is_minus_one() -> None:
    places = grid_places(POSITIONS, (3, 2))
    assert places.tolist() == [[0, 0], [0, 1], [2, 0], [-1, -1]]


def test_no_position_at_all_lies_nowhere() -> None:
    nowhere = np.full((2, 2), np.nan)
    assert grid_places(nowhere, (2, 2)).tolist() == [[-1, -1], [-1, -1]]
    assert nearness_of(np.full((2, 1), -1), nowhere).tolist() == [[0.0], [0.0]]
