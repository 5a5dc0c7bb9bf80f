"""Neighbours of cells: the same category in the nearest regions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tidecast.state.cells import Cell
from tidecast.state.space import nearest

__all__ = ["N_NEIGHBOURS", "cell_neighbours", "over_neighbours"]

N_NEIGHBOURS = 4


def cell_neighbours(
    cells: Sequence[Cell], positions: Mapping[str, tuple[float, float]], k: int = N_NEIGHBOURS
) -> NDArray[np.int64]:
    """Return the numbers of the ``k`` cells near each, nearest first: (cell, k), -1 = none.

    Near a cell are those of its category in the regions nearest to its own. ``positions`` are
    latitude and longitude of regions; cells of a region without one have no neighbours.
    """
    near = np.full((len(cells), k), -1, np.int64)
    by_category: dict[str, list[int]] = {}
    for number, cell in enumerate(cells):
        if cell.region in positions:
            by_category.setdefault(cell.category, []).append(number)
    known: dict[tuple[str, ...], NDArray[np.int64]] = {}
    for numbers in by_category.values():
        regions = tuple(cells[number].region for number in numbers)
        if regions not in known:  # most categories share one set of regions
            known[regions] = nearest(np.array([positions[region] for region in regions]), k)
        places = known[regions]
        near[numbers] = np.where(places >= 0, np.array(numbers)[places], -1)
    return near


def over_neighbours(values: NDArray[np.float64], near: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean of cells' neighbours, (cell, series); NaN counts as 0, no neighbours as 0.

    ``near`` are those of `cell_neighbours`.
    """
    total = np.zeros_like(values)
    known = np.nan_to_num(values)
    for place in near.T:
        total += np.where(place[:, None] >= 0, known[place], 0.0)
    return np.asarray(total / np.fmax((near >= 0).sum(axis=1), 1)[:, None])
