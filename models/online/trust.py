"""Trust: how much of what is said comes true."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Stateful

__all__ = ["Trust"]

KEPT = 0.99
"""Share that is left an hour, or a day where bins are days, later."""

PRIOR = 0.003
"""What a trust of 1 counts for at first, in squares of the usual."""

Cells = NDArray[np.floating]  # (lead, cell, series)


class Trust(Stateful):
    """A factor in [0, 1] per series and lead, by which departures said are to be multiplied.

    It is the discounted regression, over all cells, of departures that came on those said.
    """

    STATE = ("sums",)

    def __init__(self, n_series: int, horizon: int, bins_per_slot: int) -> None:
        self._kept = KEPT ** (1.0 / bins_per_slot)
        self._sums = np.zeros((3, n_series, horizon))  # said x came, said x said, usual x usual

    def of(self, leads: slice) -> NDArray[np.float32]:
        """Return the factors of some leads: (lead, series)."""
        agreed, said, usual = self._sums[:, :, leads]
        prior = PRIOR * usual + 1e-9
        return np.asarray(np.clip((agreed + prior) / (said + prior), 0.0, 1.0), np.float32).T

    def learn(self, leads: slice, said: Cells, came: Cells, usual: Cells, weight: Cells) -> None:
        """Hold what was ``said`` of a bin, so many bins before, against what ``came``.

        All but ``weight`` may be broadcast.
        """
        pairs = ((said, came), (said, said), (usual, usual))
        sums = np.stack([(weight * one * other).sum(axis=1).T for one, other in pairs])
        self._sums[:, :, leads] = self._kept * self._sums[:, :, leads] + sums
