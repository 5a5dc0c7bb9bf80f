"""The feed: whether a series as a whole is down, or in a burst that befalls all cells."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays
from tidecast.models.guard import DEVIATIONS, PATIENCE, counted_run

__all__ = ["Feed"]

Cells = NDArray[np.float64]  # (cell, series)
Series = NDArray[np.float64]  # (series,)
Flags = NDArray[np.bool_]  # (series,)

UNLIKELY = math.log(1e-6)
"""Zeros of all cells that are less likely than this are an outage."""

TIMES = 3.0
"""A burst of a whole series is at least so many times what is usual of it."""

LONGEST_SEASON = 2016
"""Bins; of a longer season the last 2016 are remembered."""

NAMES = ("dispersion", "seen", "surprise", "zeros", "run")


class Feed:
    """Watches series as a whole: too many zeros, or too much at once, for chance.

    **Outage**: all cells are zero, and have been for bins which together would be so with a
    probability below 1e-6. The total of a bin is taken for negative binomial, with the variance
    that totals lately had about what was usual of them. Zeros that came a longest season ago as
    well, or that have lasted for one, are no outage: closed on Sundays, or for good.

    **Burst**: the total is more than eight standard deviations above what is usual, and more than
    three times it, the cell of the largest excess left out. As with cells, the first few bins are
    suspended.

    Parameters
    ----------
    season
        The longest season, in bins: also how long a feed is watched before it is judged.
    """

    def __init__(self, n_series: int, season: int) -> None:
        self._season = min(max(season, 1), LONGEST_SEASON)
        self._state: dict[str, Series] = {name: np.zeros(n_series) for name in NAMES}
        self._zero_at = np.full((self._season, n_series), -1, np.int64)

    def judge(self, bin_: int, values: Cells, reach: Cells, usual: Cells) -> tuple[Flags, Flags]:
        """Return which series are down in a bin, and which in a burst; each (series,).

        ``values`` are (cell, series), NaN = missing; no more than ``reach`` of one counts in a
        total. ``usual`` is what was usual of the bin.
        """
        known = np.isfinite(values)
        usual = np.where(known, np.fmax(usual, 0.0), 0.0)
        counted = np.where(known, np.minimum(values, usual + reach), 0.0)
        zero, surprise, zeros = self._silence(bin_, values, usual)
        down = self._is_outage(zero, surprise, zeros)
        self._zero_at[bin_ % self._season][zero] = bin_
        self._state |= {"surprise": surprise, "zeros": zeros}
        burst = self._is_burst(counted, usual) & ~down
        self._learn(counted.sum(axis=0), usual.sum(axis=0), known.any(axis=0) & ~down & ~burst)
        return down, burst

    @property
    def _is_known(self) -> Flags:
        return self._state["seen"] >= self._season

    def is_down(self, bin_: int, values: Cells, usual: Cells) -> Flags:
        """Return which series are down in a bin, (series,), before `judge` learns from it."""
        usual = np.where(np.isfinite(values), np.fmax(usual, 0.0), 0.0)
        return self._is_outage(*self._silence(bin_, values, usual))

    def _silence(self, bin_: int, values: Cells, usual: Cells) -> tuple[Flags, Series, Series]:
        """Return which series are zero in a bin, how surprising that is, and for how long."""
        state, some = self._state, np.isfinite(values).any(axis=0)
        zero = some & ~(np.nan_to_num(values) != 0.0).any(axis=0)
        expected = self._zero_at[bin_ % self._season] == bin_ - self._season
        chance = np.where(expected, 0.0, self._chance_of_zero(usual.sum(axis=0)))
        surprise, zeros = (
            np.where(zero, state[name] + more, np.where(some, 0.0, state[name]))
            for name, more in (("surprise", chance), ("zeros", 1.0))
        )
        return zero, surprise, zeros

    def _is_outage(self, zero: Flags, surprise: Series, zeros: Series) -> Flags:
        unlikely = (surprise < UNLIKELY) & (zeros <= self._season)
        return np.asarray(zero & unlikely & self._is_known)

    def _chance_of_zero(self, usual: Series) -> Series:
        """Return the logarithm of the chance that a total of this mean is 0."""
        more = np.fmax(self._state["dispersion"] - 1.0, 1e-9)
        chance: Series = -usual * np.log1p(more) / more
        return chance

    def _is_burst(self, counted: Cells, usual: Cells) -> Flags:
        if not len(counted):
            return np.zeros(counted.shape[1], dtype=bool)
        excess = counted - usual
        largest = np.argmax(excess, axis=0)[None]
        rest = excess.sum(axis=0) - np.take_along_axis(excess, largest, 0)[0]
        left = usual.sum(axis=0) - np.take_along_axis(usual, largest, 0)[0]
        deviation = np.sqrt(np.fmax(self._state["dispersion"], 1.0) * left)
        high = (rest > DEVIATIONS * deviation) & (rest > (TIMES - 1.0) * left) & self._is_known
        known = np.ones_like(high)
        self._state["run"] = counted_run(self._state["run"], high.astype(np.float64), known)
        return np.asarray(high & (self._state["run"] <= PATIENCE))

    def _learn(self, total: Series, usual: Series, chosen: Flags) -> None:
        """Let the variance of totals, in units of their mean, follow the last season."""
        state = self._state
        state["seen"] = state["seen"] + chosen
        relative = (total - usual) ** 2 / np.fmax(usual, 1e-9)
        rate = 1.0 / np.clip(state["seen"], 1.0, self._season)
        step = np.where(chosen & (usual > 0), relative - state["dispersion"], 0.0)
        state["dispersion"] = state["dispersion"] + rate * step

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        return {**self._state, "zero_at": self._zero_at.copy()}

    def restore(self, arrays: Arrays) -> None:
        """Become the feed that ``snapshot`` was taken of."""
        self._state = {name: arrays[name].copy() for name in NAMES}
        self._zero_at = arrays["zero_at"].copy()
