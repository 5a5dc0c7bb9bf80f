"""What befalls a shop: bursts, dead feeds and shifts, and the bins that they befall."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tidecast.models.profile import ForecastProfile
from tidecast.state.bins import HOUR, BinGrid
from tidecast.state.cells import Cell

__all__ = ["MISHAPS", "Course", "Mishap", "made_up_course"]

Values = NDArray[np.float64]

FIRST_BIN = 480_000  # a Wednesday in 2024
OUTAGE = 24

JUDGED = 28
"""Bins that a season after a mishap has at least, over all places that it comes at: of a week of
days alone it is chance that decides."""


@dataclass(frozen=True)
class Course:
    """Bins of one series in order: ``values`` (bin, cell), NaN = missing.

    In ``skipped`` bins there was no slab at all.
    """

    profile: ForecastProfile
    first_bin: int
    values: Values
    cells: Sequence[Cell]
    positions: Mapping[str, tuple[float, float]]
    skipped: range = range(0)

    @property
    def season(self) -> int:
        """The longest season, in bins."""
        return self.profile.season_lengths[-1]

    @property
    def mishap_at(self) -> int:
        """The place of a mishap's first bin: three seasons and 24 bins before the end."""
        return len(self.values) - 3 * self.season - OUTAGE

    @property
    def stretches(self) -> tuple[Course, ...]:
        """The course, and where its seasons are short the same with earlier ends.

        Each has a mishap of its own, in the newer half of the course; no two have a bin after it in
        common.
        """
        n_bins, apart = len(self.values), len(self.values) - self.mishap_at
        earlier = range(n_bins - apart, n_bins // 2 + apart - 1, -apart)
        ends = n_bins, *earlier[: math.ceil(JUDGED / self.season) - 1]
        return tuple(replace(self, values=self.values[:end]) for end in ends)


@dataclass(frozen=True)
class Mishap:
    """What befalls a cell, or all, for ``n_bins`` bins; None = for good.

    ``change`` is of the values, (bin, cell), and the cells' means. ``rank`` tells the cell by its
    size, from 0 to 1 = the largest; None = all. In bins that are skipped there is no slab.
    """

    name: str
    change: Callable[[Values, Values], Values]
    n_bins: int | None
    rank: float | None = None
    is_skipped: bool = False

    def cells_of(self, course: Course) -> NDArray[np.int64]:
        """Return the numbers of the cells that it befalls."""
        order = np.argsort(np.nansum(course.values, axis=0), kind="stable")
        return order if self.rank is None else order[[round(self.rank * (len(order) - 1))]]

    def befall(self, course: Course, at: int) -> Course:
        """Return the course on which it comes ``at`` a bin."""
        values, cells = course.values.copy(), self.cells_of(course)
        bins = slice(at, None if self.n_bins is None else at + self.n_bins)
        mean = np.nanmean(course.values[: course.mishap_at, cells], axis=0)
        values[bins, cells] = self.change(values[bins, cells], mean)
        skipped = range(at, at + (self.n_bins or 0)) if self.is_skipped else range(0)
        return replace(course, values=values, skipped=skipped)


def _times(factor: float) -> Callable[[Values, Values], Values]:
    """Return the change to so many times the value, or the mean where the value is less."""
    return lambda values, mean: factor * np.fmax(values, mean)


def _zero(values: Values, mean: Values) -> Values:
    return np.zeros_like(values)


def _absurd(values: Values, mean: Values) -> Values:
    return np.full_like(values, 1e12)


def _minus_one(values: Values, mean: Values) -> Values:
    return np.full_like(values, -1.0)


def _missing(values: Values, mean: Values) -> Values:
    return np.full_like(values, np.nan)


def _not_finite(values: Values, mean: Values) -> Values:
    endless = np.array([np.nan, np.inf, -np.inf])
    return np.broadcast_to(np.resize(endless, values.shape[1]), values.shape)


def _three_times(values: Values, mean: Values) -> Values:
    return 3.0 * values


MISHAPS = (
    Mishap("1 bin x 50, largest cell", _times(50.0), 1, rank=1.0),
    Mishap("1 bin x 50, median cell", _times(50.0), 1, rank=0.5),
    Mishap("3 bins x 15, everywhere", _times(15.0), 3),
    Mishap("1 bin of 1e12, everywhere", _absurd, 1),
    Mishap("24 bins of zero, everywhere", _zero, OUTAGE),
    Mishap("24 bins of zero, largest cell", _zero, OUTAGE, rank=1.0),
    Mishap("24 bins of -1, everywhere", _minus_one, OUTAGE),
    Mishap("24 bins missing, everywhere", _missing, OUTAGE),
    Mishap("24 bins without a slab", _missing, OUTAGE, is_skipped=True),
    Mishap("1 bin NaN and infinite, everywhere", _not_finite, 1),
    Mishap("level x 3 for good, everywhere", _three_times, None),
    Mishap("level x 3 for good, largest cell", _three_times, None, rank=1.0),
)


def made_up_course(n_weeks: int, horizon: int, levels: tuple[float, ...]) -> Course:
    """Return hourly counts of 8 regions x 6 categories, sparse and busy, the same every time.

    Days and weeks have a shape, and levels wander, partly together.
    """
    random = np.random.default_rng(5)
    n_bins, n_cells = 168 * n_weeks, 48
    hour = np.arange(n_bins)[:, None]
    phase = random.uniform(0, 3, n_cells)
    day = 1.0 + 0.9 * np.sin(2 * np.pi * (hour - 8 - phase) / 24)
    week = 1.0 + 0.3 * ((hour // 24) % 7 >= 5)
    wander = _wandering(random, n_bins, n_cells) + _wandering(random, n_bins, 1)
    level = np.exp(random.uniform(np.log(0.1), np.log(80.0), n_cells))
    grid = BinGrid(HOUR)
    return Course(
        ForecastProfile(("demand",), grid, horizon, levels, grid.season_lengths()),
        FIRST_BIN,
        random.poisson(level * day * week * np.exp(wander)).astype(np.float64),
        [Cell(f"region {n // 6}", f"category {n % 6}") for n in range(n_cells)],
        {f"region {n}": (50.0 + n // 4, 8.0 + n % 4) for n in range(8)},
    )


def _wandering(random: np.random.Generator, n_bins: int, n_cells: int) -> Values:
    """Return logarithms of levels that stray for some two days, by a sixth: (bin, cell)."""
    shocks = random.normal(0.0, 0.15, (n_bins, n_cells))
    kept = 1.0 - 1.0 / 48.0
    strayed = np.empty_like(shocks)
    now = shocks[0]
    for bin_, shock in enumerate(shocks):
        now = kept * now + np.sqrt(1.0 - kept**2) * shock
        strayed[bin_] = now
    return strayed
