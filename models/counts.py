"""Counts: the mean of a few values is less sure than the mean of many."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Part, Stateful, grown
from tidecast.models.covariates import Calendar
from tidecast.models.slots import SlotMeans

__all__ = ["Counts"]

Cells = NDArray[np.floating]  # (cell, series)
Spread = NDArray[np.float32]

RATIOS = np.array([0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0])
"""How much larger the variance that one value adds may be than that of a bin as a whole."""

KEPT_PER_BIN = 0.99
"""Share of what is known of a cell that is left a bin later."""

COST_KEPT = 0.999
"""The same of what tells ratios apart: they are a series', and change little."""

FEWEST = 5.0
"""Errors of a cell that are known before it has a say about the ratio of its series."""

LARGEST_ERROR = 8.0
"""Errors beyond this many times the usual count as this."""


class Counts(Stateful):
    """How sure a mean is that is of so many values.

    The error of a forecast of a mean of n values has a variance in proportion to 1 + ratio / n: all
    values of a bin miss together, and each on its own. The ratio of a series is the one, of
    `RATIOS`, under which the errors of its cells were likeliest so far, each told beforehand
    (Laplace, in the unit that the cell has under that ratio). How many values a bin ahead will hold
    nobody knows; 1 / n is expected to be what it usually is at its time of the week.

    Where nothing was ever counted, as of sums, errors are as those of means of many.

    References
    ----------
    Dawid (1984), Statistical theory: the prequential approach (choice by the likelihood of what was
    forecast).
    """

    STATE = ("parts", "sizes", "seen", "costs")

    def __init__(self, calendar: Calendar, n_series: int) -> None:
        self._calendar = calendar
        self._week = SlotMeans(calendar, n_series)  # of 1 / n
        self._parts = np.zeros((2, 0, n_series))  # of 1 / n: sum and weight
        self._sizes = np.zeros((len(RATIOS), 0, n_series))  # of errors, sums
        self._seen = np.zeros((0, n_series))
        self._costs = np.zeros((len(RATIOS), n_series))

    @property
    def ratio(self) -> NDArray[np.float64]:
        """The ratio of each series, (series,); 0 until errors tell another."""
        return np.asarray(RATIOS[np.argmin(self._costs, axis=0)])

    def learn(self, bin_: int, counts: Cells) -> None:
        """Take how many values the means of a closed bin were of, (cell, series); NaN of sums."""
        part = _inverse(counts)
        self._week.learn(bin_, part)
        known = np.isfinite(part)
        fresh = np.stack([np.nan_to_num(part), known])
        self._parts = (
            np.where(known, KEPT_PER_BIN, 1.0) * grown(self._parts, len(counts), 1) + fresh
        )

    def judge(self, errors: Cells, counts: Cells) -> Spread:
        """Hold the ratios against errors of lead 1, (cell, series); NaN = unknown.

        What was learnt of errors divided by their `spread` is to be multiplied by the result,
        (cell, series): it is 1 while the ratio stays.
        """
        usual = self._usual(len(errors))
        before = self._root(usual)
        self._hold(errors, counts)
        return np.asarray(before / self._root(usual), np.float32)

    def _hold(self, errors: Cells, counts: Cells) -> None:
        part = _inverse(counts)
        known = np.isfinite(errors) & np.isfinite(part)
        spread = np.sqrt(1.0 + RATIOS[:, None, None] * np.nan_to_num(part))  # (ratio, cell, series)
        came = np.where(known, np.abs(errors), 0.0) / spread
        sizes, seen = grown(self._sizes, len(errors), 1), grown(self._seen, len(errors))
        judges = known & (seen > FEWEST) & (sizes > 0.0).all(axis=0)
        size = np.where(judges, sizes / np.fmax(seen, 1.0), 1.0)
        came = np.where(judges, np.fmin(came, LARGEST_ERROR * size), came)
        cost = np.where(judges, np.log(size * spread) + came / size, 0.0)
        self._costs = COST_KEPT * self._costs + _over_cells(cost)
        kept = np.where(known, KEPT_PER_BIN, 1.0)
        self._sizes, self._seen = kept * sizes + came, kept * seen + known

    def spread(self, counts: Cells) -> Spread:
        """Return how many times larger errors of such means are than of many, (cell, series).

        Where nothing was counted it is as usual of the cell.
        """
        part = _inverse(counts)
        return self._root(np.where(np.isfinite(part), part, self._usual(len(counts))))

    def ahead(self, bins: range, n_cells: int) -> Spread:
        """Return how many times larger errors of ``bins`` will be, (series, cell, bin).

        Where that is 1 everywhere, it is (series, 1, 1).
        """
        if not self.ratio.any():
            return np.ones((len(self.ratio), 1, 1), np.float32)
        usual = self._usual(n_cells).astype(np.float32)
        slots = [self._calendar.slot(bin_) for bin_ in bins]
        parts = {slot: self._week.mean(slot, usual) for slot in dict.fromkeys(slots)}
        return self._root(np.stack([parts[slot] for slot in slots])).transpose(2, 1, 0)

    def _root(self, part: Cells) -> Spread:
        return np.sqrt(1.0 + self.ratio * part).astype(np.float32)

    def _usual(self, n_cells: int) -> NDArray[np.float64]:
        """Return what 1 / n usually is, (cell, series); one value of all cells counts in each."""
        total, weight = grown(self._parts, n_cells, 1)
        all_cells = _over_cells(total) / np.fmax(_over_cells(weight), 1.0)
        return np.asarray((total + all_cells) / (weight + 1.0))

    def _members(self) -> dict[str, Part]:
        return {"week": self._week}


def _over_cells(values: Cells) -> NDArray[np.float64]:
    """Return sums over cells, (..., series): of the same bits however many series there are."""
    return np.asarray(np.ascontiguousarray(values.swapaxes(-1, -2)).sum(axis=-1))


def _inverse(counts: Cells) -> NDArray[np.float64]:
    """Return 1 / n, NaN where there are no values; n counts as 1 at least."""
    return np.where(counts > 0.0, 1.0 / np.fmax(np.where(counts > 0.0, counts, 1.0), 1.0), np.nan)
