"""The spread of an expert: how far off its forecasts usually are, cell by cell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Stateful, grown

__all__ = ["Spread"]

MEMORY = 30
"""Errors over which the spread forgets: faster than calibration, which follows it."""


class Spread(Stateful):
    """A running mean of absolute errors, (cell, series)."""

    STATE = ("mean", "seen")

    def __init__(self, n_series: int) -> None:
        self._mean = np.zeros((0, n_series))
        self._seen = np.zeros((0, n_series))

    def learn(self, errors: NDArray[np.float64]) -> None:
        """Add one error of every cell, (cell, series); NaN is no error."""
        n_cells = len(errors)
        known = np.isfinite(errors)
        self._seen = np.minimum(grown(self._seen, n_cells) + known, MEMORY)
        mean = grown(self._mean, n_cells)
        step = np.where(known, np.abs(errors) - mean, 0.0)
        self._mean = mean + step / np.fmax(self._seen, 1)

    def over_leads(self, scale: NDArray[np.float64], horizon: int) -> NDArray[np.float32]:
        """Return the spread, at least a twentieth of the cells' ``scale``: (series, cell, lead)."""
        mean = np.where(self._seen > 0, self._mean, scale) if len(self._mean) else scale
        spread = np.maximum(mean, 0.05 * scale).T.astype(np.float32)
        return np.broadcast_to(spread[:, :, None], (*spread.shape, horizon))
