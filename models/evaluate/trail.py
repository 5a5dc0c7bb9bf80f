"""The trail: losses as they went over time, by day and by bin."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays
from tidecast.models.profile import ForecastProfile

__all__ = ["Trail"]

KEPT = ("n", "squared", "pinball")
"""What is kept of every bin, for tests of difference."""


class Trail:
    """Sums over cells, by local day (all losses) and by bin (``KEPT``, in float32)."""

    def __init__(self, names: tuple[str, ...], profile: ForecastProfile) -> None:
        self.names = names
        self._grid = profile.grid
        self._shape = (1 + len(profile.experts), profile.n_series, profile.horizon)
        self._days: dict[int, NDArray[np.float64]] = {}
        self._bins: dict[int, NDArray[np.float32]] = {}
        self._kept = [names.index(name) for name in KEPT]

    def add(self, bin_: int, places: list[int], losses: NDArray[np.floating]) -> None:
        """Add losses of one bin, (stat, expert, series, due), ``places`` on the leads."""
        day = self._grid.local(bin_).toordinal()
        if day not in self._days:
            self._days[day] = np.zeros((len(self.names), *self._shape))
        if bin_ not in self._bins:
            self._bins[bin_] = np.zeros((len(KEPT), *self._shape), np.float32)
        self._days[day][..., places] += losses
        self._bins[bin_][..., places] += losses[self._kept].astype(np.float32)

    def days(self) -> dict[int, NDArray[np.float64]]:
        """Return sums by ordinal of the local day: (stat, expert, series, lead) each."""
        return dict(sorted(self._days.items()))

    def means(self, name: str) -> NDArray[np.float64]:
        """Return means over cells, (bin, expert, series, lead), from the first bin to the last.

        NaN where nothing was scored.
        """
        if not self._bins:
            return np.full((0, *self._shape), np.nan)
        first, last = min(self._bins), max(self._bins)
        means = np.full((last - first + 1, *self._shape), np.nan)
        place = KEPT.index(name)
        for bin_, sums in self._bins.items():
            n = sums[0].astype(np.float64)
            means[bin_ - first] = np.where(n > 0, sums[place] / np.fmax(n, 1), np.nan)
        return means

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        kept: Arrays = {}
        for name, found in (("day", self._days), ("bin", self._bins)):
            kept[f"{name}-numbers"] = np.array(list(found), np.int64)
            kept[f"{name}-sums"] = np.array(list(found.values()))
        return kept

    def restore(self, arrays: Arrays) -> None:
        """Become the trail that ``snapshot`` was taken of."""
        days, bins = (
            dict(zip(arrays[f"{name}-numbers"].tolist(), arrays[f"{name}-sums"], strict=True))
            for name in ("day", "bin")
        )
        self._days, self._bins = days, bins
