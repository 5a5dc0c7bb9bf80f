"""What the guards did, counted."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Stateful

__all__ = ["ACTIONS", "Actions"]

ACTIONS = ("burst", "shared_burst", "outage", "shift")
"""Values suspended: of one cell, for a burst; of all, for a burst of their series, or an outage of
it. Then cells whose burst has lasted, so that it is learnt as a shift of level."""


class Actions(Stateful):
    """Counts of every action since the beginning, by series."""

    STATE = ("counts",)

    def __init__(self, n_series: int) -> None:
        self._counts = np.zeros((len(ACTIONS), n_series), np.int64)

    def add(self, **cells: NDArray[np.bool_]) -> None:
        """Count the cells, (cell, series), that each action befell."""
        for name, flags in cells.items():
            self._counts[ACTIONS.index(name)] += flags.sum(axis=0)

    def totals(self) -> Mapping[str, NDArray[np.int64]]:
        """Return the count of each action, (series,)."""
        return dict(zip(ACTIONS, self._counts.copy(), strict=True))
