"""The feed: whether a series as a whole is down, or in a burst that befalls all cells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Part, Stateful
from tidecast.models.guard import DEVIATIONS, PATIENCE, counted_run
from tidecast.models.silence import Silence

__all__ = ["Feed"]

Cells = NDArray[np.float64]  # (cell, series)
Series = NDArray[np.float64]  # (series,)
Flags = NDArray[np.bool_]  # (series,)

TIMES = 3.0
"""A burst of a whole series is at least so many times what is usual of it."""


class Feed(Stateful):
    """Watches series as a whole: too many zeros, or too much at once, for chance.

    **Outage**: all cells are zero, and have been for too long for chance: see `Silence`, of totals,
    which lasts for a longest season at most.

    **Burst**: the total is more than eight standard deviations above what is usual, and more than
    three times it, the cell of the largest excess left out. What new cells have is none: shops
    open together. As with cells, the first few bins are suspended.

    Parameters
    ----------
    season
        The longest season, in bins: also how long a feed is watched before it is judged.
    """

    STATE = ("run",)

    def __init__(self, n_series: int, season: int) -> None:
        self._silence = Silence(1, n_series, season, patience=season)
        self._run = np.zeros(n_series)

    def judge(self, bin_: int, values: Cells, reach: Cells, usual: Cells) -> tuple[Flags, Flags]:
        """Return which series are down in a bin, and which in a burst; each (series,).

        ``values`` are (cell, series), NaN = missing; no more than ``reach`` of one counts in a
        total, and nothing unusual of a new cell, whose reach is without end. ``usual`` is what was
        usual of the bin.
        """
        known = np.isfinite(values)
        usual = np.where(known, np.fmax(usual, 0.0), 0.0)
        within = np.where(np.isfinite(reach), np.minimum(values, usual + reach), usual)
        counted = np.where(known, within, 0.0)
        total = usual.sum(axis=0, keepdims=True)
        down = self._silence.judge(bin_, _traded(values), total)[0]
        burst = self._is_burst(counted, usual) & ~down
        chosen = known.any(axis=0) & ~down & ~burst
        learnt = np.where(chosen, counted.sum(axis=0), np.nan)
        self._silence.learn(learnt[None], total)
        return down, burst

    def is_down(self, bin_: int, values: Cells, usual: Cells) -> Flags:
        """Return which series are down in a bin, (series,), before `judge` learns from it."""
        usual = np.where(np.isfinite(values), np.fmax(usual, 0.0), 0.0)
        total = usual.sum(axis=0, keepdims=True)
        down: Flags = self._silence.would_be(bin_, _traded(values), total)[0]
        return down

    def _is_burst(self, counted: Cells, usual: Cells) -> Flags:
        if not len(counted):
            return np.zeros(counted.shape[1], dtype=bool)
        excess = counted - usual
        largest = np.argmax(excess, axis=0)[None]
        rest = excess.sum(axis=0) - np.take_along_axis(excess, largest, 0)[0]
        left = usual.sum(axis=0) - np.take_along_axis(usual, largest, 0)[0]
        deviation = np.sqrt(np.fmax(self._silence.dispersion[0], 1.0) * left)
        high = (rest > DEVIATIONS * deviation) & (rest > (TIMES - 1.0) * left)
        high &= self._silence.is_known[0]
        self._run = counted_run(self._run, high.astype(np.float64), np.ones_like(high))
        return np.asarray(high & (self._run <= PATIENCE))

    def _members(self) -> dict[str, Part]:
        return {"silence": self._silence}


def _traded(values: Cells) -> Cells:
    """Return what the cells of each series had that is more than zero, (1, series); NaN = none."""
    known = np.isfinite(values).any(axis=0)
    return np.where(known, np.fmax(np.nan_to_num(values), 0.0).sum(axis=0), np.nan)[None]
