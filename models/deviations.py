"""Deviations: covariates against what they usually are in a cell, in a unit of their own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Stateful, grown
from tidecast.state.settings.base import DAY

__all__ = ["Deviations"]

Values = NDArray[np.float64]

FORGOTTEN_PER_WEEK = 0.15
"""As much as the usual week forgets: both must tell of the same past."""

GROWTH = 2.0
"""A unit that is known grows by no more than this in a bin: one absurd value is no measure."""


class Deviations(Stateful):
    """How far covariates are from their running mean in each cell, within -1 and 1.

    The unit is the largest deviation that was met in any bin so far, but grows slowly, so that an
    absurd value does not set it for good. What lies beyond is taken for as much, for nobody knows
    what it does. What is missing deviates by nothing.

    Parameters
    ----------
    width
        Microseconds of a bin.
    """

    STATE = ("mean", "seen", "reach")

    def __init__(self, n_covariates: int, width: int) -> None:
        self._rate = FORGOTTEN_PER_WEEK * width / (7 * DAY)
        self._mean = np.zeros((n_covariates, 0))
        self._seen = np.zeros((n_covariates, 0))
        self._reach = np.zeros(n_covariates)

    def of(self, values: Values) -> Values:
        """Return the deviations of ``values``, (covariate, cell)."""
        self._grow(values.shape[1])
        away = np.where(self._seen > 0, values - self._mean, 0.0)
        reach = self._reach[:, None]
        return np.where(np.isnan(away), 0.0, np.clip(away, -reach, reach) / np.fmax(reach, 1e-300))

    def widen(self, values: Values) -> Values:
        """Let the units reach as far as the values of a closed bin; return old by new units."""
        self._grow(values.shape[1])
        away = np.where(self._seen > 0, np.abs(values - self._mean), 0.0)
        largest = np.nan_to_num(away).max(axis=1, initial=0.0)
        allowed = np.where(self._reach > 0.0, GROWTH * self._reach, np.inf)
        reach = np.fmax(self._reach, np.fmin(largest, allowed))
        shrunk = np.where(reach > 0.0, self._reach / np.where(reach > 0.0, reach, 1.0), 1.0)
        self._reach = reach
        return shrunk

    def learn(self, values: Values) -> None:
        """Move the means towards the values of a closed bin, as far as the units reach."""
        self._grow(values.shape[1])
        known = np.isfinite(values)
        reach = np.where(self._seen > 0, self._reach[:, None], np.inf)
        self._seen = self._seen + known
        rate = np.maximum(self._rate, 1.0 / np.fmax(self._seen, 1.0))
        away = np.clip(values - self._mean, -reach, reach)
        self._mean = self._mean + np.where(known, rate * away, 0.0)

    def _grow(self, n_cells: int) -> None:
        self._mean, self._seen = (grown(a, n_cells, axis=1) for a in (self._mean, self._seen))
