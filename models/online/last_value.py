"""Last value, and the drift it came by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays, grown
from tidecast.models.covariates import Covariates
from tidecast.models.parts import Parts
from tidecast.models.profile import ForecastProfile
from tidecast.models.spread import Spread
from tidecast.state.scopes import nested, scoped
from tidecast.state.slabs import Slab
from tidecast.state.window import Window

__all__ = ["LastValue"]

LONGEST_DRIFT = 2000.0
"""Bins that a drift is the mean of, at most."""

PRIOR_BINS = 20.0
"""Bins without drift that a young cell's changes are averaged with."""


class LastValue:
    """A random walk with drift, for every cell and series: the last value, plus drift x lead.

    The drift is the mean change a bin since the first value, forgotten over ``LONGEST_DRIFT``
    bins. A cell without any value yet gets its level, which is 0 then.
    """

    name = "last_value"

    def __init__(self, profile: ForecastProfile) -> None:
        self.resets = 0
        self._horizon = profile.horizon
        shape = (0, profile.n_series)
        self._last = np.full(shape, np.nan)
        self._drift = np.zeros(shape)  # a bin
        self._bins = np.zeros(shape)  # from the first value to the last
        self._waited = np.zeros(shape)  # since the last
        self._last_bin = -1
        self._spread = Spread(profile.n_series)

    def learn(self, window: Window, slab: Slab, covariates: Covariates) -> None:
        """Take the value for the last; move the drift by how far it is from the one before."""
        self._grow(len(slab.values))
        self._waited = self._waited + (slab.bin - self._last_bin if self._last_bin >= 0 else 1)
        self._last_bin = slab.bin
        away = slab.values - self._last - self._drift * self._waited
        self._spread.learn(np.where(self._waited == 1, away, np.nan))
        known = np.isfinite(slab.values)
        moved = np.isfinite(away)
        self._bins = np.minimum(self._bins + np.where(moved, self._waited, 0.0), LONGEST_DRIFT)
        self._drift = self._drift + np.where(moved, away, 0.0) / (self._bins + PRIOR_BINS)
        self._last = np.where(known, slab.values, self._last)
        self._waited = np.where(known, 0.0, self._waited)

    def forecast(
        self, window: Window, covariates: Covariates
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return mean and scale, each (series, cell, lead); scale > 0."""
        self._grow(len(covariates.level))
        last = np.where(np.isfinite(self._last), self._last, covariates.level)
        leads = np.arange(1.0, self._horizon + 1.0)
        ahead = self._waited.T[:, :, None] + leads  # (series, cell, lead)
        mean = last.T[:, :, None] + self._drift.T[:, :, None] * ahead
        return mean.astype(np.float32), self._spread.over_leads(covariates.scale, self._horizon)

    def _grow(self, n_cells: int) -> None:
        self._last = grown(self._last, n_cells, fill=np.nan)
        self._drift, self._bins = grown(self._drift, n_cells), grown(self._bins, n_cells)
        self._waited = grown(self._waited, n_cells)

    def explain(self, window: Window, covariates: Covariates, cell: int) -> Parts:
        """See `Expert.explain`: the level, how far the last value was off, and the drift since."""
        n_cells, level = len(covariates.level), covariates.level[cell]
        last = grown(self._last, n_cells, fill=np.nan)[cell]
        drift, waited = (grown(a, n_cells)[cell] for a in (self._drift, self._waited))
        away = np.where(np.isfinite(last), last - level, 0.0)
        level, away = (np.repeat(a[:, None], self._horizon, axis=1) for a in (level, away))
        ahead = waited[:, None] + np.arange(1.0, self._horizon + 1.0)
        return {"level": level, "trend": drift[:, None] * ahead, "recent": away}

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        return {
            "last": self._last,
            "drift": self._drift,
            "bins": self._bins,
            "waited": self._waited,
            "last_bin": np.array(self._last_bin, np.int64),
            **nested({"spread": self._spread.snapshot()}),
        }

    def restore(self, arrays: Arrays) -> None:
        """Become the expert that ``snapshot`` was taken of."""
        self._last, self._drift = arrays["last"].copy(), arrays["drift"].copy()
        self._bins, self._waited = arrays["bins"].copy(), arrays["waited"].copy()
        self._last_bin = int(arrays["last_bin"])
        self._spread.restore(scoped(arrays, "spread"))
