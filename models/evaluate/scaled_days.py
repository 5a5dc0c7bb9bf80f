"""Scaled errors of the blend as they went over time, by local day."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays, grown
from tidecast.models.evaluate.denominators import Denominators, scaled_errors
from tidecast.models.evaluate.sums import PLAIN
from tidecast.models.profile import ForecastProfile

__all__ = ["SCALED", "ScaledDays"]

SCALED = ("mase", "rmsse")
Table = NDArray[np.float64]


class ScaledDays:
    """MASE and RMSSE of each day: means over cells, so the day's sums are kept of every cell.

    Only those of one day: bins come in order, and a day is over when one of the next comes.
    """

    def __init__(self, profile: ForecastProfile, denominators: Denominators) -> None:
        self._grid = profile.grid
        self._denominators = denominators
        self._day = 0
        self._sums = np.zeros((len(PLAIN), profile.n_series, 0, profile.horizon))
        self._over: dict[int, Table] = {}

    def add(self, bin_: int, places: list[int], losses: NDArray[np.floating]) -> None:
        """Add the blend's plain losses of a bin, (stat, series, cell, due), due by ``places``."""
        day = self._grid.local(bin_).toordinal()
        if day != self._day:
            if self._day:
                self._over[self._day] = self._figures()
            self._day, self._sums = day, np.zeros_like(self._sums)
        self._sums = grown(self._sums, losses.shape[2], axis=2)
        self._sums[..., : losses.shape[2], places] += losses

    def days(self) -> dict[int, Table]:
        """Return figures by ordinal of the local day, (metric, series, 2), NaN where undefined.

        They are of all leads, and of lead 1.
        """
        return {**self._over, self._day: self._figures()} if self._day else {}

    def _figures(self) -> Table:
        """Return the figures of the day that is not over."""
        n_series, n_cells = self._sums.shape[1:3]
        season, step = self._denominators.of_rows(n_cells)
        found = np.full((len(SCALED), n_series, 2), np.nan)
        for place, sums in enumerate((self._sums.sum(axis=-1), self._sums[..., 0])):
            for series in range(n_series):
                rows = dict(zip(PLAIN, sums[:, series], strict=True))
                scaled = scaled_errors(rows, season[series], step[series])
                found[:, series, place] = [scaled[name] for name in SCALED]  # None is NaN
        return found

    def snapshot(self) -> Arrays:
        """Return the state as arrays, but for the denominators."""
        return {
            "day": np.array(self._day, np.int64),
            "sums": self._sums.copy(),
            "numbers": np.array(list(self._over), np.int64),
            "figures": np.array(list(self._over.values())),
        }

    def restore(self, arrays: Arrays) -> None:
        """Become what ``snapshot`` was taken of; the denominators are restored apart."""
        self._day, self._sums = int(arrays["day"]), arrays["sums"].copy()
        numbers = arrays["numbers"].tolist()
        self._over = dict(zip(numbers, arrays["figures"].copy(), strict=True))
