"""Space: which cells are near each other, and where they lie on a grid of regions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tidecast.models.neighbours import cell_neighbours
from tidecast.state.cells import Cell

__all__ = ["Space", "grid_places", "nearness_of", "space_of"]

Floats = NDArray[np.float64]

N_NEAR = 8
"""Neighbours of a cell."""


@dataclass(frozen=True)
class Space:
    """The neighbours of every cell and its place, in the order of the cells.

    ``near`` are places on the cell axis, -1 = none, ``nearness`` their weights, not negative.
    ``place`` is a row and a column of the grid of regions, -1 = nowhere.
    """

    near: Tensor  # (cell, neighbour) int64
    nearness: Tensor  # (cell, neighbour)
    place: Tensor  # (cell, 2) int64

    @classmethod
    def none(cls, n_cells: int) -> Space:
        """Return the space of cells that lie nowhere."""
        place = torch.full((n_cells, 2), -1)
        return cls(torch.zeros(n_cells, 0, dtype=torch.int64), torch.zeros(n_cells, 0), place)

    def to(self, device: torch.device) -> Space:
        """Return the same on ``device``."""
        return Space(self.near.to(device), self.nearness.to(device), self.place.to(device))

    def near_mean(self, state: Tensor) -> Tensor:
        """Return the weighted mean of neighbours, zero without any: (batch, cell, width)."""
        weight = torch.where(self.near >= 0, self.nearness, 0.0)  # (cell, neighbour)
        weight = weight / weight.sum(dim=1, keepdim=True).clamp(min=1e-6)
        found = torch.zeros_like(state)
        for number in range(self.near.shape[1]):  # a gather of all at once is too large
            seen = state[:, self.near[:, number].clamp(min=0)]  # (batch, cell, width)
            found = found + seen * weight[:, number, None]
        return found


def space_of(
    cells: Sequence[Cell], positions: Mapping[str, tuple[float, float]], grid: tuple[int, int]
) -> Space:
    """Return the space of ``cells``, by the latitude and longitude of their regions."""
    nowhere = (np.nan, np.nan)
    found = [positions.get(cell.region, nowhere) for cell in cells]
    lying = np.array(found, np.float64).reshape(-1, 2)  # (cell, 2)
    near = cell_neighbours(cells, positions, N_NEAR)
    return Space(
        torch.as_tensor(near),
        torch.as_tensor(nearness_of(near, lying)),
        torch.as_tensor(grid_places(lying, grid)),
    )


def nearness_of(near: NDArray[np.int64], positions: Floats) -> NDArray[np.float32]:
    """Return the weights of neighbours by their distance, a Gaussian of it: (cell, neighbour).

    ``near`` (cell, neighbour), -1 = none, which weighs nothing; ``positions`` (cell, 2) are
    latitude and longitude. A neighbour at the median distance of all weighs 0.37.
    """
    latitude, longitude = np.radians(positions).T
    found = near >= 0
    other = np.where(found, near, 0)
    north = latitude[other] - latitude[:, None]  # (cell, neighbour)
    east = (longitude[other] - longitude[:, None]) * np.cos(latitude)[:, None]
    squared = np.where(found, north**2 + east**2, np.nan)
    usual = np.nanmedian(squared) if found.any() else 1.0
    weight = np.exp(-squared / max(float(usual), 1e-18))
    return np.where(found, weight, 0.0).astype(np.float32)


def grid_places(positions: Floats, grid: tuple[int, int]) -> NDArray[np.int64]:
    """Return the row and column of every position on a map of its span: (cell, 2).

    Rows go from south to north, columns from west to east; NaN lies nowhere, -1.
    """
    known = np.isfinite(positions).all(axis=1)
    places = np.full(positions.shape, -1, np.int64)
    if known.any():
        low, high = positions[known].min(axis=0), positions[known].max(axis=0)
        share = (positions[known] - low) / np.maximum(high - low, 1e-12)
        places[known] = np.minimum((share * grid).astype(np.int64), np.array(grid) - 1)
    return places
