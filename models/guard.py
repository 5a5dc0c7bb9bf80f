"""The guard: running level and scale of every cell, and learning targets no burst can spoil."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays, finite, grown

__all__ = ["Guard"]

Cells = NDArray[np.float64]  # (cell, series)

NAMES = ("level", "variance", "size", "seen", "sizes_seen", "run")


class Guard:
    """Robust running level and scale of cells; what it admits may be learnt from.

    A value further than ``reach`` from its cell's level is pulled in to it: eight standard
    deviations, or three times the usual size of a value that is not zero, whichever is larger. So
    one burst teaches little. The reach doubles with every further bin on the same side: a lasting
    shift is admitted whole after a few bins.

    Parameters
    ----------
    memory
        Bins over which level and scale forget.
    """

    def __init__(self, n_series: int, memory: int) -> None:
        self._memory = memory
        empty = np.zeros((0, n_series))
        self._state: dict[str, Cells] = dict.fromkeys(
            ("level", "variance", "size", "seen", "sizes_seen", "run"), empty
        )

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
        """The largest forecast that is sane, (cell, series)."""
        return self.level + 2.0 * self._reach(1)

    def admit(self, values: Cells) -> Cells:
        """Learn from ``values``, (cell, series), and return them fit to learn from; NaN stays."""
        self._grow(len(values))
        values = finite(values)
        away = values - self.level
        untold = self._state["sizes_seen"] == 0
        below, above = (np.where(untold, np.inf, self._reach(side)) for side in (-1, 1))
        admitted = self.level + np.clip(away, -below, above)
        self._count_run(away)
        self._learn(admitted)
        return admitted

    def _plain_reach(self) -> Cells:
        deviation = np.sqrt(self._state["variance"])
        return np.maximum(8.0 * deviation, 3.0 * self._state["size"])

    def _reach(self, side: int) -> Cells:
        """Return how far above (1) or below (-1) its level a value may be."""
        run = np.clip(side * self._state["run"], 0, 60)
        reach: Cells = self._plain_reach() * np.exp2(run)
        return reach

    def _count_run(self, away: Cells) -> None:
        """Count bins in a row beyond the plain reach, signed by their side."""
        state = self._state
        side = np.sign(away) * (np.abs(away) > self._plain_reach()) * (state["sizes_seen"] > 0)
        run = np.where(np.sign(state["run"]) == side, state["run"], 0.0) + side
        state["run"] = np.where(np.isnan(away), state["run"], run)

    def _learn(self, admitted: Cells) -> None:
        state = self._state
        known = np.isfinite(admitted)
        state["seen"] = state["seen"] + known
        rate = np.where(known, np.maximum(1.0 / self._memory, 1.0 / np.fmax(state["seen"], 1)), 0.0)
        away = np.where(known, admitted - state["level"], 0.0)
        state["level"] = state["level"] + rate * away
        state["variance"] = (1.0 - rate) * (state["variance"] + rate * away**2)
        sized = known & (admitted != 0.0)
        state["sizes_seen"] = state["sizes_seen"] + sized
        rate = np.maximum(1.0 / self._memory, 1.0 / np.fmax(state["sizes_seen"], 1))
        step = np.where(sized, np.abs(admitted) - state["size"], 0.0)
        state["size"] = state["size"] + rate * step

    def _grow(self, n_cells: int) -> None:
        self._state = {name: grown(array, n_cells) for name, array in self._state.items()}

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        return dict(self._state)

    def restore(self, arrays: Arrays) -> None:
        """Become the guard that ``snapshot`` was taken of."""
        self._state = {name: arrays[name].astype(np.float64) for name in self._state}
