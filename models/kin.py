"""Kin: the shape of the week that a cell shares with its category, its region and all cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Stateful, grown
from tidecast.models.neighbours import N_NEIGHBOURS
from tidecast.state.cells import Cell
from tidecast.state.space import nearest

__all__ = ["LARGEST", "Kin", "KinWeek"]

Cells = NDArray[np.float32]  # (cell, series)
Numbers = NDArray[np.int64]

OWN = 1.0
"""Cells that a ratio of 1 counts for in a category, and in a region."""

PRIOR_WEIGHT = 1.0
"""Weeks that the same hour of all days counts for: a shock of one bin befalls all cells."""

LARGEST = 24.0
"""Times its level that a cell counts for at most, where all of a day falls into an hour."""

SMALLEST = 0.02

LEAST_MEAN = 0.5
"""The least that all cells have over the week, in units of their levels. Levels are judged by the
shape that is told in them, so nothing else keeps both from where a sparse table began."""


@dataclass(frozen=True)
class Kin:
    """The regions and categories of cells, numbered as they appear.

    ``region`` and ``category`` are (cell,); ``near`` (region, k) are the regions nearest to each,
    -1 where there are fewer, or no position is known.
    """

    region: Numbers
    category: Numbers
    near: Numbers

    @classmethod
    def of(cls, cells: Sequence[Cell], positions: Mapping[str, tuple[float, float]]) -> Kin:
        """Return the kin of ``cells``; ``positions`` are latitude and longitude of regions."""
        regions, region = _numbered([cell.region for cell in cells])
        _, category = _numbered([cell.category for cell in cells])
        unknown = (np.nan, np.nan)
        places = np.array([positions.get(name, unknown) for name in regions]).reshape(-1, 2)
        return cls(region, category, nearest(places, N_NEIGHBOURS))


class KinWeek(Stateful):
    """The week of all cells in units of their levels, and what categories and regions make of it.

    The shape of a cell is that of all cells, times the ratio of its category to it, times that of
    its region to both. Ratios lean on 1, those of regions on the regions around them.
    """

    STATE = ("all", "category", "region")

    def __init__(self, n_slots: int, n_series: int) -> None:
        self._per_day = n_slots // 7
        self._kin = Kin.of((), {})
        self._all = np.zeros((3, n_slots, n_series), np.float32)  # told, cells, weeks
        empty = np.zeros((2, n_slots, 0, n_series), np.float32)  # told, and expected of it
        self._category, self._region = empty, empty

    def relate(self, kin: Kin) -> None:
        """Take the cells for such kin from now on."""
        self._kin = kin
        self._category = grown(self._category, int(kin.category.max(initial=-1)) + 1, axis=2)
        self._region = grown(self._region, len(kin.near), axis=2)

    def learn(self, slot: int, mean: Cells, weeks: Cells, level: Cells) -> None:
        """Take in what is known of a slot: the means of cells, and of how many weeks; 0 = none.

        A cell counts the more the larger it is, yet for no more than one; a level below zero is of
        no size.
        """
        size = np.fmax(level, np.float32(0.0)).sum(axis=0) / max(len(level), 1)
        sold = (level > 0.0) & (weeks > 0.0)
        unit = np.where(sold, level, np.float32(1.0))
        relative = np.where(sold, np.clip(mean / unit, 0.0, LARGEST), np.float32(0.0))
        weight = np.where(sold, level / (unit + size), np.float32(0.0))
        cells = weight.sum(axis=0)
        told = weight * relative
        self._all[:, slot] = told.sum(axis=0), cells, (weight * weeks).sum(axis=0)
        expected = weight * (told.sum(axis=0) / np.fmax(cells, np.float32(1e-9)))
        kin = self._kin
        _tell(self._category[:, slot], kin.category, told, expected)
        expected = expected * self._of_categories(np.array([slot]))[0, kin.category]
        _tell(self._region[:, slot], kin.region, told, expected)

    def shape(self, slots: Numbers) -> Cells:
        """Return what is usual of ``slots`` in units of levels, (slot, cell, series), > 0."""
        kin = self._kin
        category = self._common(slots) * self._of_categories(slots)
        shape = category[:, kin.category] * self._of_regions(slots)[:, kin.region]
        return np.asarray(np.clip(shape, SMALLEST, LARGEST))

    def _common(self, slots: Numbers) -> Cells:
        """Return the shapes that all cells share, which lean on the hours of all days.

        They are (slot, 1, series).
        """
        week = self._anchored()
        hours = week.reshape(3, 7, self._per_day, 1, -1).sum(axis=1)[:, slots % self._per_day]
        told, cells, _ = hours
        hour = (told + OWN) / (cells + OWN)
        told, cells, weeks = week[:, slots, None]
        cells = cells + np.float32(1e-9)
        weeks = weeks / cells
        leaning: Cells = (weeks * told / cells + PRIOR_WEIGHT * hour) / (weeks + PRIOR_WEIGHT)
        return leaning

    def _anchored(self) -> NDArray[np.float32]:
        """Return what is known of all cells, told in such units that its mean is no less."""
        told, cells, weeks = self._all
        known = cells > 0.0
        mean = np.where(known, told / np.where(known, cells, 1.0), 1.0).mean(axis=0)
        unit = np.clip(mean / LEAST_MEAN, np.float32(SMALLEST), np.float32(1.0))
        return np.stack([told / unit, cells, weeks])

    def _of_categories(self, slots: Numbers) -> Cells:
        """Return the ratios of categories to all, (slot, category, series)."""
        told, expected = self._category[:, slots]
        prior = OWN * self._common(slots)
        return np.asarray((told + prior) / (expected + prior))

    def _of_regions(self, slots: Numbers) -> Cells:
        """Return the ratios of regions to their categories, (slot, region, series)."""
        told, expected = self._region[:, slots]
        prior = OWN * self._common(slots)
        ratio = (told + prior) / (expected + prior)
        near = self._kin.near
        around = np.where((near >= 0)[:, :, None], ratio[:, near], np.float32(1.0)).mean(axis=2)
        return np.asarray((told + prior * around) / (expected + prior))


def _numbered(names: Sequence[str]) -> tuple[list[str], Numbers]:
    """Return the different names as they appear, and the number of each."""
    number = {name: place for place, name in enumerate(dict.fromkeys(names))}
    return list(number), np.array([number[name] for name in names], np.int64)


def _tell(sums: NDArray[np.float32], group: Numbers, told: Cells, expected: Cells) -> None:
    """Put the sums over the cells of each group into (2, group, series)."""
    for row, values in zip(sums, (told, expected), strict=True):
        for series, column in enumerate(values.T):
            row[:, series] = np.bincount(group, column, len(row))
