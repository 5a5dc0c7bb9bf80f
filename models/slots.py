"""Slots: an exponentially forgotten mean of every cell for each local hour, or day, of the week."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays, grown
from tidecast.models.covariates import Calendar

__all__ = ["SlotMeans"]

Cells = NDArray[np.float32]  # (cell, series)

KEPT_PER_WEEK = 0.85
"""Share of a slot's weight that is left a week later."""

PRIOR_WEIGHT = 1.0
"""Weight, in values, of the mean over all days for a slot that has few of its own."""


class SlotMeans:
    """The mean of every cell in every slot of the local week, which is at least an hour.

    A young slot leans on the same hour of the other days, and that on what is given.
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

    def own(self, slot: int) -> tuple[Cells, Cells]:
        """Return the mean of a slot by its own values, and how much they weigh; 0 = none."""
        weight = self._weight[slot]
        return self._total[slot] / np.fmax(weight, np.float32(1e-9)), weight

    def mean(self, slot: int, prior: Cells) -> Cells:
        """Return the mean of a slot, (cell, series), which leans on its hour and that on ``prior``.

        ``prior`` may have more cells than are known; it is not changed.
        """
        hours = slice(slot % self._per_day, None, self._per_day)
        known = self._total.shape[1]
        mean = prior.copy()
        own = np.float32(PRIOR_WEIGHT)
        for total, weight in (
            (self._total[hours].sum(axis=0), self._weight[hours].sum(axis=0)),
            (self._total[slot], self._weight[slot]),
        ):
            mean[:known] = (total + own * mean[:known]) / (weight + own)
        return mean

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        return {"total": self._total.copy(), "weight": self._weight.copy()}

    def restore(self, arrays: Arrays) -> None:
        """Become the means that ``snapshot`` was taken of."""
        self._total, self._weight = arrays["total"].copy(), arrays["weight"].copy()
