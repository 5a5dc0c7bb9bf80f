"""History: the past of all cells as arrays, with what is known ahead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidecast.state.bins import BinGrid
from tidecast.state.errors import SettingsError
from tidecast.state.settings.base import DAY

__all__ = ["History", "Scales", "calendar_of", "slots_per_day"]

Floats = NDArray[np.float32]
Ahead = Callable[[int], Floats]

LEAST_SCALE = 0.05
"""Of a cell's scale, beside the mean of all."""


@dataclass(frozen=True)
class History:
    """Values of all bins and cells; NaN is missing.

    ``calendar`` and ``future`` go on for at least a horizon after the last value.

    Raises
    ------
    SettingsError
        When the axes do not fit together, or a covariate is not finite.
    """

    values: Floats  # (bin, cell, series)
    calendar: NDArray[np.int64]  # (bin + ahead, 2): slot of the day, day of the week
    future: Floats  # (bin + ahead, cell, covariate), finite, about as large as one
    static: Floats  # (cell, feature), the same
    ahead: Ahead | None = None
    """What was known at an origin of the bins after it, where ``future`` may say what came of it.

    Of the number of bins that are known it makes (lead, cell, covariate), as ``future`` is.
    """

    def __post_init__(self) -> None:
        n_bins, n_cells, _ = self.values.shape
        n_known = len(self.calendar)
        if n_known < n_bins or self.future.shape[:2] != (n_known, n_cells):
            raise SettingsError(
                f"values of {n_bins:,} bins and {n_cells:,} cells do not fit a calendar of "
                f"{n_known:,} bins and covariates of {self.future.shape[:2]}"
            )
        if len(self.static) != n_cells:
            raise SettingsError(f"{n_cells:,} cells have static features of {len(self.static):,}")
        if not (np.isfinite(self.future).all() and np.isfinite(self.static).all()):
            raise SettingsError("a covariate is not finite: fill its gaps")

    @classmethod
    def plain(cls, values: Floats, calendar: NDArray[np.int64]) -> History:
        """Return the history of ``values`` without covariates."""
        n_cells = values.shape[1]
        future = np.zeros((len(calendar), n_cells, 0), np.float32)
        return cls(values, calendar, future, np.zeros((n_cells, 0), np.float32))


def slots_per_day(grid: BinGrid) -> int:
    """Return the slots of a day that a calendar tells apart: bins, but none under a minute."""
    return 1 if grid.width == "day" else max(1, min(1440, DAY // grid.width))


def calendar_of(grid: BinGrid, first_bin: int, n_bins: int) -> NDArray[np.int64]:
    """Return the local slot of the day and the day of the week at which bins start: (bin, 2)."""
    n_slots = slots_per_day(grid)
    moments = (grid.local(bin_) for bin_ in range(first_bin, first_bin + n_bins))
    rows = [((60 * m.hour + m.minute) * n_slots // 1440, m.weekday()) for m in moments]
    return np.array(rows, np.int64).reshape(-1, 2)


@dataclass(frozen=True)
class Scales:
    """The usual level and spread of every cell, finite, the spread positive: (cell, series)."""

    level: Floats
    scale: Floats

    @classmethod
    def of(cls, values: Floats) -> Scales:
        """Return those of ``values`` (bin, cell, series); a cell without any is as the mean."""
        known = np.isfinite(values)
        count = known.sum(axis=0)  # (cell, series)
        filled = np.where(known, values, 0.0).astype(np.float64)
        level = filled.sum(axis=0) / np.maximum(count, 1)
        squares = (np.where(known, values - level, 0.0) ** 2).sum(axis=0)
        scale = np.sqrt(squares / np.maximum(count, 1))
        none = count == 0
        level = np.where(none, _mean_where(level, ~none), level)
        usual = _mean_where(scale, ~none & (scale > 0))
        usual = np.where(usual > 0, usual, 1.0)
        scale = np.where(none, usual, np.maximum(scale, LEAST_SCALE * usual))
        return cls(level.astype(np.float32), scale.astype(np.float32))


def _mean_where(values: NDArray[np.float64], taken: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the mean over cells of what is taken, zero of nothing: (series,)."""
    total = np.where(taken, values, 0.0).sum(axis=0)
    return np.asarray(total / np.maximum(taken.sum(axis=0), 1))
