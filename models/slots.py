"""Slots: an exponentially forgotten mean of every cell for each local hour, or day, of the week."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays, Stateful, grown
from tidecast.models.covariates import Calendar

__all__ = ["SlotMeans"]

Cells = NDArray[np.float32]  # (cell, series)

KEPT_PER_WEEK = 0.85
"""Share of a slot's weight that is left a week later."""

PRIOR_WEIGHT = 1.0
"""Weight, in values, of the mean over all days for a slot that has few of its own; no more, and
less where days differ by more than their own values do."""

LEAST_WEIGHT = np.float32(1e-3)
TINY = np.float32(1e-9)

DOUBT = 2.0
"""Values that, of an hour not known yet, are taken to differ as much within days as between."""


class SlotMeans(Stateful):
    """The mean of every cell in every slot of the local week, which is at least an hour.

    A young slot leans on the same hour of the other days, and that on what is given. How much is
    a matter of what a day tells of another (empirical Bayes): a day on which a busy shop is shut,
    whose values are all alike and unlike those of other days, soon leans on nothing.

    References
    ----------
    Efron and Morris (1975), Data analysis using Stein's estimator and its generalizations.
    """

    STATE = ("total", "weight", "missed")

    def __init__(self, calendar: Calendar, n_series: int) -> None:
        self._calendar = calendar
        self._per_day = calendar.n_slots // 7
        self._kept = np.float32(KEPT_PER_WEEK ** (1.0 / calendar.bins_per_slot))
        empty = np.zeros((calendar.n_slots, 0, n_series), np.float32)
        self._total, self._weight, self._missed, self._lean = empty, empty, empty, empty

    def learn(self, bin_: int, values: NDArray[np.float64]) -> None:
        """Move the mean of the slot that ``bin_`` lies in; values (cell, series), NaN = none."""
        self._grow(len(values))
        slot = self._calendar.slot(bin_)
        mean, weight = self.own(slot)
        known = np.isfinite(values)
        kept = np.where(known, self._kept, np.float32(1.0))
        missed = np.where(known & (weight > 0), np.abs(values - mean), 0.0)
        self._missed[slot] = kept * self._missed[slot] + missed
        self._total[slot] = kept * self._total[slot] + np.where(known, values, 0.0)
        self._weight[slot] = kept * self._weight[slot] + known
        self._weigh(self._hours(slot))

    def _grow(self, n_cells: int) -> None:
        for name in self.STATE:
            setattr(self, f"_{name}", grown(getattr(self, f"_{name}"), n_cells, axis=1))
        self._lean = grown(self._lean, n_cells, axis=1, fill=PRIOR_WEIGHT)

    def own(self, slot: int) -> tuple[Cells, Cells]:
        """Return the mean of a slot by its own values, and how much they weigh; 0 = none."""
        weight = self._weight[slot]
        return self._total[slot] / np.fmax(weight, TINY), weight

    def mean(self, slot: int, prior: Cells) -> Cells:
        """Return the mean of a slot, (cell, series), which leans on its hour and that on ``prior``.

        ``prior`` may have more cells than are known; it is not changed.
        """
        hours = self._hours(slot)
        known = self._total.shape[1]
        mean = prior.copy()
        all_days = self._total[hours].sum(axis=0), self._weight[hours].sum(axis=0)
        for total, weight, lean in (
            (*all_days, PRIOR_WEIGHT),
            (self._total[slot], self._weight[slot], self._lean[slot]),
        ):
            mean[:known] = (total + lean * mean[:known]) / (weight + lean)
        return mean

    def _weigh(self, hours: slice) -> None:
        """Find how much the days of an hour lean on all of them."""
        self._lean[hours] = _lean(self._total[hours], self._weight[hours], self._missed[hours])

    def _hours(self, slot: int) -> slice:
        """Return the slots of the same hour, one a day."""
        return slice(slot % self._per_day, None, self._per_day)

    def restore(self, arrays: Arrays) -> None:
        """Become the means that ``snapshot`` was taken of."""
        super().restore(arrays)
        self._lean = np.empty_like(self._total)
        for hour in range(self._per_day):
            self._weigh(self._hours(hour))


def _lean(
    total: NDArray[np.float32], weight: NDArray[np.float32], missed: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return how much each day's mean leans on that of all days, in values: (day, cell, series).

    ``missed`` are sums of how far values were from the mean of their day. Deviations are
    absolute: squares of large values would not fit, and single bursts would decide.
    """
    weights = np.fmax(weight.sum(axis=0), TINY)
    apart = np.abs(total / np.fmax(weight, TINY) - total.sum(axis=0) / weights)
    between = (weight * apart).sum(axis=0) / weights  # (cell, series)
    sure = np.fmax(weight - 1.0, 0.0)
    within = (missed.sum(axis=0) + DOUBT * between) / (sure.sum(axis=0) + DOUBT)
    own = (missed + within) / (sure + 1.0)
    differs = between > 0
    share = np.fmin(own, between) / np.where(differs, between, 1.0)
    return np.where(differs, np.fmax(PRIOR_WEIGHT * share**2, LEAST_WEIGHT), PRIOR_WEIGHT)
