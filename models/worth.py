"""Worth: how much of the gap between a sum's own forecast and the sum of its parts' to close."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Stateful, grown

__all__ = ["Worth"]

Nodes = NDArray[np.float32]  # (series, node, lead)
Table = NDArray[np.float64]

KEPT_PER_BIN = 0.995
LARGEST = 10.0
"""Errors and gaps beyond this many scales count as this: one burst is no lesson."""

PRIOR = 0.3
"""What is closed of a gap of which nothing is known."""

PRIOR_BINS = 100.0
"""Bins in which gaps as large as the errors would weigh as much as the prior: where gaps are small
beside errors it takes longer to learn what they are worth, and matters less."""

NOBODY = np.iinfo(np.int64).min
"""The origin of no forecast."""


class Worth(Stateful):
    """The share k of the gap d - b whose closing leaves the least squared error b + k (d - b) - y.

    b is the sum of the forecasts of a node's cells, d the node's own, y its actual: k is the
    regression of the error of b on the gap, by discounted sums, with a ridge towards the prior. So
    nothing is assumed of how the errors of both hang together: mostly they share their shocks, of
    which plain diagonal minimum trace knows nothing. The gaps of lead h are judged h bins later.

    References
    ----------
    Bates and Granger (1969), The combination of forecasts; Wickramasuriya, Athanasopoulos and
    Hyndman (2019), Optimal forecast reconciliation through trace minimization.
    """

    STATE = ("sums", "said", "origins")

    def __init__(self, n_series: int, horizon: int) -> None:
        self._horizon = horizon
        self._sums = np.zeros((4, n_series, 0, horizon))  # gap x gap, closed, error x error, n
        self._said = np.full((horizon, 2, n_series, 0, horizon), np.nan, np.float32)
        self._origins = np.full(horizon, NOBODY, np.int64)

    def say(self, origin_bin: int, parts: Nodes, own: Nodes) -> None:
        """Keep what was forecast of nodes: the sums of their ``parts``, and by their ``own``."""
        self._said = grown(self._said, own.shape[1], axis=3, fill=np.nan)
        slot = origin_bin % self._horizon
        self._said[slot, 0], self._said[slot, 1] = parts, own
        self._origins[slot] = origin_bin

    def learn(self, bin_: int, lead: int, actual: Table, scale: NDArray[np.floating]) -> None:
        """Learn from the ``actual`` of nodes, (series, node), NaN = unknown.

        ``scale``, (series, node), > 0, is how far off forecasts of a node usually are.
        """
        slot = (bin_ - lead) % self._horizon
        if self._origins[slot] != bin_ - lead:
            return
        parts, own = self._said[slot, :, :, : scale.shape[1], lead - 1]
        error = _bounded((parts - actual[:, : scale.shape[1]]) / scale)
        gap = _bounded((own - parts) / scale)
        known = np.isfinite(error) & np.isfinite(gap)
        news = np.where(known, [gap * gap, -error * gap, error * error, known], 0.0)
        self._sums = grown(self._sums, scale.shape[1], axis=2)
        sums = self._sums[:, :, : scale.shape[1], lead - 1]
        sums *= np.where(known, KEPT_PER_BIN, 1.0)
        sums += news

    def of(self, n_nodes: int) -> Table:
        """Return the worth of gaps, from 0 to 1: (series, node, lead)."""
        self._sums = grown(self._sums, n_nodes, axis=2)
        gaps, closed, errors, n = self._sums
        ridge = PRIOR_BINS * errors / np.fmax(n, 1.0)
        known = gaps + ridge > 0.0
        worth = (closed + PRIOR * ridge) / np.where(known, gaps + ridge, 1.0)
        return np.clip(np.where(known, worth, PRIOR), 0.0, 1.0)


def _bounded(relative: NDArray[np.floating]) -> Table:
    return np.asarray(np.clip(relative, -LARGEST, LARGEST), np.float64)
