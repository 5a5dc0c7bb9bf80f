"""The guard: running level and scale of every cell, and bursts that are not learnt from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays, grown

__all__ = ["DEVIATIONS", "PATIENCE", "SIZES", "YOUNG", "Guard", "counted_run"]

Cells = NDArray[np.float64]  # (cell, series)
Flags = NDArray[np.bool_]  # (cell, series)

NAMES = ("level", "variance", "size", "seen", "sizes_seen", "run")

DEVIATIONS = 8.0
SIZES = 3.0
YOUNG = 5.0
"""Values that are not zero, of which a cell is so young that its reach is twice as far."""

PATIENCE = 3
"""Bins of a burst on one side that are suspended, at least; what goes on is a shift, and learnt."""

ABSURD = 100.0
"""Times its reach for each of which a value must last a bin longer to be a shift: 1e12 for days is
something broken."""

FARTHER = 1.5
"""How much farther than in the bin before the values of an admitted shift are believed."""

LONGEST_RUN = 60


class Guard:
    """Robust running level and scale of cells, and which of their values are bursts.

    A value is a burst when it is further than ``reach`` from its cell's level: eight standard
    deviations, or three times the usual size of a value that is not zero, whichever is larger. The
    first few in a row on one side are suspended; then the level has shifted, and they are admitted:
    the first within reach, and each further bin within half as far again, so that a real shift of
    any size is learnt within some bins, and five absurd values are no ruin. Values that are absurd,
    hundreds of times out of reach, must last some bins longer.
    Level and scale themselves learn a burst as if it had been within reach, so that a cell which
    often has bursts is soon known for it.

    Parameters
    ----------
    memory
        Bins over which level and scale forget.
    """

    def __init__(self, n_series: int, memory: int) -> None:
        self._memory = memory
        empty = np.zeros((0, n_series))
        self._state: dict[str, Cells] = dict.fromkeys(NAMES, empty)

    @property
    def level(self) -> Cells:
        """Running mean, (cell, series); 0 before the first value."""
        return self._state["level"]

    @property
    def scale(self) -> Cells:
        """Running standard deviation, (cell, series), > 0."""
        return np.maximum(np.sqrt(self._state["variance"]), 0.01 * self._state["size"] + 1e-6)

    @property
    def ceiling(self) -> Cells:
        """The largest forecast that is sane, (cell, series); it follows a shift at once."""
        run = np.clip(self._state["run"], 0, LONGEST_RUN)
        ceiling: Cells = self.level + 2.0 * self._plain_reach * np.exp2(run)
        return ceiling

    @property
    def reach(self) -> Cells:
        """How far from its level a value may be, (cell, series); without end at first."""
        seen = self._state["sizes_seen"]
        young = 1.0 + YOUNG / np.fmax(seen, 1.0)
        return np.where(seen > 0, self._plain_reach * young, np.inf)

    @property
    def _plain_reach(self) -> Cells:
        deviation = np.sqrt(self._state["variance"])
        return np.maximum(DEVIATIONS * deviation, SIZES * self._state["size"])

    def grow(self, n_cells: int) -> None:
        """Make room for new cells."""
        self._state = {name: grown(array, n_cells) for name, array in self._state.items()}

    def bursts(self, values: Cells) -> Flags:
        """Return which of a bin's ``values``, (cell, series), are bursts; NaN is none."""
        away = np.nan_to_num(values - self.level)
        return np.asarray(np.abs(away) > self.reach)

    def judge(self, values: Cells) -> tuple[Flags, Flags]:
        """Return which values of the newest bin are suspended, and which shifts are admitted now.

        Runs are counted: call it once a bin, before `within` and `learn`.
        """
        side = np.where(self.bursts(values), np.sign(values - self.level), 0.0)
        run = counted_run(self._state["run"], side, np.isfinite(values))
        self._state["run"] = run
        length = np.abs(run)
        patience = self._patience(values)
        suspended = (side != 0) & (length <= patience)
        return suspended, (side != 0) & (length == patience + 1)

    def _patience(self, values: Cells) -> Cells:
        """Return how many bins of such values are suspended, (cell, series)."""
        beyond = np.nan_to_num(np.abs(values - self.level)) / np.fmax(self.reach, 1e-300)
        patience: Cells = PATIENCE + np.floor(np.log(np.fmax(beyond, 1.0)) / np.log(ABSURD))
        return patience

    def within(self, values: Cells) -> Cells:
        """Return values of the newest bin as far as they are believed, (cell, series)."""
        admitted = np.abs(self._state["run"]) - (self._patience(values) + 1)
        reach = self.reach * FARTHER ** np.fmax(admitted, 0.0)
        believed: Cells = np.clip(values, self.level - reach, self.level + reach)
        return believed

    def learn(self, values: Cells) -> None:
        """Move level and scale by ``values``, (cell, series); NaN = nothing known."""
        state, learnt = self._state, self.within(values)
        known = np.isfinite(learnt)
        state["seen"] = state["seen"] + known
        rate = np.where(known, np.maximum(1.0 / self._memory, 1.0 / np.fmax(state["seen"], 1)), 0.0)
        away = np.where(known, learnt - state["level"], 0.0)
        state["level"] = state["level"] + rate * away
        state["variance"] = (1.0 - rate) * (state["variance"] + rate * away**2)
        sized = known & (learnt != 0.0)
        state["sizes_seen"] = state["sizes_seen"] + sized
        rate = np.maximum(1.0 / self._memory, 1.0 / np.fmax(state["sizes_seen"], 1))
        step = np.where(sized, np.abs(learnt) - state["size"], 0.0)
        state["size"] = state["size"] + rate * step

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        return dict(self._state)

    def restore(self, arrays: Arrays) -> None:
        """Become the guard that ``snapshot`` was taken of."""
        self._state = {name: arrays[name].astype(np.float64) for name in self._state}


def counted_run(
    run: NDArray[np.float64], side: NDArray[np.float64], known: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the runs, signed, after a bin on a ``side`` (-1, 1; 0 = within reach).

    A bin within reach takes one off a run, so that a shift which not every hour tells of stays
    admitted; one on the other side begins anew; one that is not ``known`` changes nothing.
    """
    shorter = np.sign(run) * np.fmax(np.abs(run) - 1.0, 0.0)
    longer = np.where(np.sign(run) == side, run, 0.0) + side
    found = np.where(side == 0, shorter, np.clip(longer, -LONGEST_RUN, LONGEST_RUN))
    return np.where(known, found, run)
