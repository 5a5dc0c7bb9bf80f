"""Denominators of scaled errors: how far off naive forecasts were before scores begin."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays, grown

__all__ = ["Denominators", "scaled_errors"]

NAMES = ("season", "seasons", "step", "steps")
Floats = NDArray[np.float64]
Rows = Floats  # (series, row)


class Denominators:
    """Running errors of the seasonal naive and of the last value, one bin ahead, per row.

    MASE divides by the mean absolute error of the seasonal naive (Hyndman and Koehler, 2006),
    RMSSE by the root of the mean squared error of the last value (M5, 2020), both in the bins
    that are learnt from but not scored.

    Parameters
    ----------
    season
        Bins of the season.
    """

    def __init__(self, n_series: int, season: int) -> None:
        self._season = season
        self._ring = np.full((season, n_series, 0), np.nan)
        self._bins = np.full(season, -1, np.int64)
        self._state = {name: np.zeros((n_series, 0)) for name in NAMES}

    def observe(self, bin_: int, actual: Rows) -> None:
        """Add the actuals of a bin, (series, row), NaN = unknown; rows may only grow."""
        n_rows = actual.shape[1]
        self._ring = grown(self._ring, n_rows, axis=2, fill=np.nan)
        self._state = {name: grown(sums, n_rows, axis=1) for name, sums in self._state.items()}
        for name, lag in (("season", self._season), ("step", 1)):
            slot = (bin_ - lag) % self._season
            if self._bins[slot] != bin_ - lag:
                continue
            away = actual - self._ring[slot]
            loss = np.abs(away) if name == "season" else away**2
            self._state[name] += np.nan_to_num(loss)
            self._state[f"{name}s"] += np.isfinite(loss)
        self._ring[bin_ % self._season] = actual
        self._bins[bin_ % self._season] = bin_

    def season(self) -> Rows:
        """Return the mean absolute error of the seasonal naive; NaN where it is not known."""
        return _mean(self._state["season"], self._state["seasons"])

    def step(self) -> Rows:
        """Return the mean squared error of the last value; NaN where it is not known."""
        return _mean(self._state["step"], self._state["steps"])

    def of_rows(self, n_rows: int) -> tuple[Rows, Rows]:
        """Return `season` and `step` of the first ``n_rows``.

        NaN where there is none: rows that came when scores had begun, and those never off.
        """
        season, step = (
            grown(known, n_rows, axis=1, fill=np.nan)[:, :n_rows]
            for known in (self.season(), self.step())
        )
        return season, step

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        kept = {name: sums.copy() for name, sums in self._state.items()}
        return {**kept, "ring": self._ring.copy(), "bins": self._bins.copy()}

    def restore(self, arrays: Arrays) -> None:
        """Become what ``snapshot`` was taken of."""
        self._state = {name: arrays[name].copy() for name in NAMES}
        self._ring, self._bins = arrays["ring"].copy(), arrays["bins"].copy()


def scaled_errors(
    rows: Mapping[str, Floats], season: Floats, step: Floats
) -> dict[str, float | None]:
    """Return MASE and RMSSE of the plain sums of some rows: means over those that have both.

    ``season`` and ``step`` are what errors are in units of; all are (row,). None of no such row.
    """
    n = rows["n"]
    absolute = rows["absolute"] / np.fmax(n, 1) / season
    squared = rows["squared"] / np.fmax(n, 1) / step
    ratios = {"mase": absolute, "rmsse": np.sqrt(squared)}
    known = {name: ratio[(n > 0) & np.isfinite(ratio)] for name, ratio in ratios.items()}
    return {name: float(found.mean()) if len(found) else None for name, found in known.items()}


def _mean(total: Rows, n: Rows) -> Rows:
    """Return the mean where it is known and above 0, else NaN."""
    mean = total / np.fmax(n, 1)
    return np.where((n > 0) & (mean > 0), mean, np.nan)
