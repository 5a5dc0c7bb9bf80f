"""Time-of-week mean: what is usual at this local hour of the week."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays, grown
from tidecast.models.covariates import Calendar, Covariates
from tidecast.models.profile import ForecastProfile
from tidecast.models.spread import Spread
from tidecast.state.slabs import Slab
from tidecast.state.window import Window

__all__ = ["TimeOfWeek"]

KEPT_PER_WEEK = 0.85
"""Share of a slot's weight that is left a week later."""

PRIOR_WEIGHT = 1.0
"""Weight, in values, of the mean over all days for a slot that has few of its own."""


class TimeOfWeek:
    """An exponentially forgotten mean per slot of the local week, at least an hour wide.

    A young slot leans on the same hour of the other days, and that on the cell's level.
    """

    name = "time_of_week"

    def __init__(self, profile: ForecastProfile) -> None:
        self.resets = 0
        self._horizon = profile.horizon
        calendar = Calendar(profile.grid)
        self._per_day = calendar.n_slots // 7
        self._kept = np.float32(KEPT_PER_WEEK ** (1.0 / calendar.bins_per_slot))
        shape = (calendar.n_slots, 0, profile.n_series)
        self._total = np.zeros(shape, np.float32)
        self._weight = np.zeros(shape, np.float32)
        self._spread = Spread(profile.n_series)

    def learn(self, window: Window, slab: Slab, covariates: Covariates) -> None:
        """Move the mean of the slot that the bin lies in."""
        n_cells = len(slab.values)
        self._total = grown(self._total, n_cells, axis=1)
        self._weight = grown(self._weight, n_cells, axis=1)
        slot = covariates.calendar.slot(slab.bin)
        self._spread.learn(slab.values - self._mean(slot, covariates.level))
        known = np.isfinite(slab.values)
        kept = np.where(known, self._kept, np.float32(1.0))
        self._total[slot] = kept * self._total[slot] + np.where(known, slab.values, 0.0)
        self._weight[slot] = kept * self._weight[slot] + known

    def forecast(
        self, window: Window, covariates: Covariates
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return mean and scale, each (series, cell, lead); scale > 0."""
        n_cells = len(covariates.level)
        self._total = grown(self._total, n_cells, axis=1)
        self._weight = grown(self._weight, n_cells, axis=1)
        slots = [covariates.calendar.slot(bin_) for bin_ in covariates.targets(self._horizon)]
        means = {slot: self._mean(slot, covariates.level) for slot in set(slots)}
        mean = np.stack([means[slot].T for slot in slots], axis=-1)  # (series, cell, lead)
        return mean, self._spread.over_leads(covariates.scale, self._horizon)

    def _mean(self, slot: int, level: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the mean of a slot, shrunk towards its hour and that to the level."""
        hours = slice(slot % self._per_day, None, self._per_day)
        weight, total = self._weight[hours].sum(axis=0), self._total[hours].sum(axis=0)
        hour = (total + PRIOR_WEIGHT * level) / (weight + PRIOR_WEIGHT)
        mean = (self._total[slot] + PRIOR_WEIGHT * hour) / (self._weight[slot] + PRIOR_WEIGHT)
        return mean.astype(np.float32)  # (cell, series)

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        return {"total": self._total, "weight": self._weight, **self._spread.snapshot()}

    def restore(self, arrays: Arrays) -> None:
        """Become the expert that ``snapshot`` was taken of."""
        self._total, self._weight = arrays["total"].copy(), arrays["weight"].copy()
        self._spread.restore(arrays)
