"""The usual week: an exponentially forgotten mean per local hour of the week."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays, grown
from tidecast.models.covariates import Calendar

__all__ = ["UsualWeek"]

KEPT_PER_WEEK = 0.85
"""Share of a slot's weight that is left a week later."""

PRIOR_WEIGHT = 1.0
"""Weight, in values, of the mean over all days for a slot that has few of its own."""


class UsualWeek:
    """What is usual of every cell in every slot of the local week, which is at least an hour.

    A young slot leans on the same hour of the other days, and that on the cell's level.
    """

    def __init__(self, calendar: Calendar, n_series: int) -> None:
        self._calendar = calendar
        self._per_day = calendar.n_slots // 7
        self._kept = np.float32(KEPT_PER_WEEK ** (1.0 / calendar.bins_per_slot))
        self._total = np.zeros((calendar.n_slots, 0, n_series), np.float32)
        self._weight = np.zeros((calendar.n_slots, 0, n_series), np.float32)

    def learn(self, bin_: int, values: NDArray[np.float64]) -> None:
        """Move the mean of the slot that ``bin_`` lies in; values (cell, series), NaN = none."""
        self._total = grown(self._total, len(values), axis=1)
        self._weight = grown(self._weight, len(values), axis=1)
        slot = self._calendar.slot(bin_)
        known = np.isfinite(values)
        kept = np.where(known, self._kept, np.float32(1.0))
        self._total[slot] = kept * self._total[slot] + np.where(known, values, 0.0)
        self._weight[slot] = kept * self._weight[slot] + known

    def of(self, bins: range, level: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return what is usual of ``bins``, finite: (bin, cell, series); level (cell, series)."""
        slots = [self._calendar.slot(bin_) for bin_ in bins]
        means = {slot: self._mean(slot, level) for slot in dict.fromkeys(slots)}
        return np.stack([means[slot] for slot in slots])

    def as_on(self, weekday: int, bin_: int, level: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return what would be usual of ``bin_``, were it on that day of the week (Monday = 0)."""
        hour = self._calendar.slot(bin_) % self._per_day
        return self._mean(weekday * self._per_day + hour, level)

    def _mean(self, slot: int, level: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the mean of a slot, shrunk towards its hour and that to the level."""
        hours = slice(slot % self._per_day, None, self._per_day)
        known = self._total.shape[1]
        mean = level.astype(np.float32)
        prior = np.float32(PRIOR_WEIGHT)
        for total, weight in (
            (self._total[hours].sum(axis=0), self._weight[hours].sum(axis=0)),
            (self._total[slot], self._weight[slot]),
        ):
            mean[:known] = (total + prior * mean[:known]) / (weight + prior)
        return mean  # (cell, series)

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        return {"total": self._total.copy(), "weight": self._weight.copy()}

    def restore(self, arrays: Arrays) -> None:
        """Become the week that ``snapshot`` was taken of."""
        self._total, self._weight = arrays["total"].copy(), arrays["weight"].copy()
