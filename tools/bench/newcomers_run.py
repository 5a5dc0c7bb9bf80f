"""Cells that appear mid-way, and how well their first bins are forecast."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tidecast.models.evaluate.losses import inside, pinball, stretch
from tidecast.models.forecaster import Forecaster
from tidecast.state.slabs import Slab
from tidecast.tools.bench.bursts_course import Course

__all__ = ["FIRST_BINS", "Arrivals", "Said", "said_of_newcomers"]

FIRST_BINS = 24
"""Bins of a newcomer that are scored."""

SHARE = 0.25
MOST = 24
"""Newcomers: this share of the cells, and so many at most."""

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Arrivals:
    """A course of which the last cells, the newcomers, appear one after another.

    ``at`` (newcomer,), rising, are the places of their first bins; the cells before them are there
    from the first bin on.
    """

    course: Course
    at: NDArray[np.int64]

    @classmethod
    def of(cls, course: Course) -> Arrivals:
        """Return newcomers of all sizes, who appear over a longest season from half way on.

        Each appears with the first value from its turn on that is not zero, as cells do live.
        """
        sold = np.nan_to_num(course.values)
        half, last = len(sold) // 2, len(sold) - FIRST_BINS
        order = np.argsort(sold.sum(axis=0), kind="stable")
        order = order[(sold[half + course.season : last, order] > 0).any(axis=0)]
        n_newcomers = min(MOST, max(1, int(SHARE * len(order))))
        chosen = order[np.linspace(0, len(order) - 1, n_newcomers).round().astype(np.int64)]
        turns = half + np.arange(n_newcomers) * max(1, course.season // n_newcomers)
        first = [t + int(np.argmax(sold[t:, c] > 0)) for t, c in zip(turns, chosen, strict=True)]
        at, by_time = np.sort(first), np.argsort(first, kind="stable")
        rest = np.setdiff1d(np.arange(sold.shape[1]), chosen)
        columns = np.concatenate([rest, chosen[by_time]])
        values = course.values[: at[-1] + FIRST_BINS, columns]
        cells = [course.cells[column] for column in columns]
        return cls(replace(course, values=values, cells=cells), at)

    @property
    def n_before(self) -> int:
        """Cells that are there from the first bin on."""
        return len(self.course.cells) - len(self.at)

    def n_cells(self, place: int) -> int:
        """Return how many cells there are when a bin closes."""
        return self.n_before + int((self.at <= place).sum())

    def young(self, place: int, lead: int) -> NDArray[np.int64]:
        """Return the cells of which a bin is an early one that could be forecast so far ahead."""
        age = place - self.at
        return self.n_before + np.flatnonzero((age >= lead) & (age < FIRST_BINS))


@dataclass(frozen=True)
class Said:
    """What was said of bins of newcomers, with what came: a row for each bin, newcomer and lead."""

    levels: tuple[float, ...]
    lead: NDArray[np.int64]  # (row,)
    actual: Values  # (row,)
    quantiles: Values  # (row, level)

    def wape(self, leads: range) -> float:
        """Return the absolute errors of medians at these leads, over the actuals."""
        rows = np.isin(self.lead, leads)
        median = self.quantiles[rows, self.levels.index(0.5)]
        return float(np.abs(self.actual[rows] - median).sum() / self.actual[rows].sum())

    def pinball(self, leads: range) -> float:
        """Return the mean pinball loss at these leads."""
        rows = np.isin(self.lead, leads)
        losses = pinball(self.actual[rows], self.quantiles[rows], np.array(self.levels))
        return float(losses.mean())

    def coverage(self, leads: range, low: float, high: float) -> float:
        """Return the share of actuals between two levels at these leads."""
        rows = np.isin(self.lead, leads)
        half = 0.5 if (self.actual == np.rint(self.actual)).all() else 0.0
        levels = np.array(self.levels)
        start, end = stretch(self.actual[rows], self.quantiles[rows], levels, half)
        return float(inside(start, end, low, high).mean())


def said_of_newcomers(forecaster: Forecaster, arrivals: Arrivals, at: NDArray[np.int64]) -> Said:
    """Run a course; return what was said of the first bins after ``arrivals``, and since then.

    Newcomers appear ``at`` these places, which may be earlier. A forecaster without kin is told no
    positions either.
    """
    course, appear = arrivals.course, replace(arrivals, at=at)
    positions = course.positions if forecaster.profile.has_kin else {}
    lead, actual, quantiles = [], [], []
    for place, values in enumerate(course.values):
        bin_, n_cells = course.first_bin + place, appear.n_cells(place)
        for due in forecaster.said_of(bin_):
            young = arrivals.young(place, due.lead)
            young = young[np.isfinite(values[young])]
            lead.append(np.full(len(young), due.lead))
            actual.append(values[young])
            quantiles.append(due.quantiles()[0][young].astype(np.float64))
        forecaster.step(Slab(bin_, values[:n_cells, None]), course.cells[:n_cells], positions)
    levels = course.profile.quantile_levels
    return Said(levels, np.concatenate(lead), np.concatenate(actual), np.concatenate(quantiles))
