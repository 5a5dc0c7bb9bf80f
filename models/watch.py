"""The watch: forecasts that have left all sense are put to sleep, and experts begin anew."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Stateful
from tidecast.models.guard import PATIENCE

__all__ = ["Watch"]

Means = NDArray[np.float32]  # (expert, series, cell, lead)

INSANE = 10.0
"""A forecast of so many times the largest that is sane, up or down, has left all sense: the largest
of its cell, or the mean of all cells where that is more, and never less than one."""

MOST = 0.5
"""Share of the cells of a series that makes the expert insane, not only its model of a cell."""


class Watch(Stateful):
    """Keeps what experts say within what is sane, and tells who has diverged.

    A little too much is cut off at the ceiling. A forecast without sense is taken for none: the
    expert sleeps there. An expert most of whose cells have no sense in some series, for a few
    bins in a row, has diverged, and should begin anew. NaN is sleep, not divergence.
    """

    STATE = ("run", "resets")

    def __init__(self, n_experts: int) -> None:
        self._run = np.zeros(n_experts, np.int64)
        self._resets = np.zeros(n_experts, np.int64)

    @property
    def resets(self) -> NDArray[np.int64]:
        """How often each expert has diverged, (expert,)."""
        return self._resets.copy()

    def within(self, means: Means, ceiling: NDArray[np.float32]) -> Means:
        """Return what experts say within [0, ``ceiling``], (series, cell, 1); NaN = asleep."""
        if means.shape[2]:
            means = self._without_sense(means, ceiling)
        return np.clip(means, 0.0, ceiling)

    def _without_sense(self, means: Means, ceiling: NDArray[np.float32]) -> Means:
        """Return ``means`` with what has no sense as NaN; count who has diverged."""
        limit = INSANE * np.fmax(np.fmax(ceiling, ceiling.mean(axis=1, keepdims=True)), 1.0)
        if _all_within(means, limit.min(axis=(1, 2))):
            self._run[:] = 0
            return means
        insane = np.abs(means) > limit
        share = insane.any(axis=3).mean(axis=2)  # (expert, series)
        self._run = np.where((share > MOST).any(axis=1), self._run + 1, 0)
        return np.where(insane, np.float32(np.nan), means)

    def diverged(self) -> list[int]:
        """Return the places of experts that must begin anew; they are counted, and forgiven."""
        found = self._run > PATIENCE
        self._resets += found
        self._run[found] = 0
        return [int(place) for place in np.flatnonzero(found)]


def _all_within(means: Means, limit: NDArray[np.float32]) -> bool:
    """Tell whether nothing is beyond the limit of its series, (series,): the usual case, fast."""
    highest, lowest = means.max(axis=(0, 2, 3)), means.min(axis=(0, 2, 3))
    return bool(((highest <= limit) & (lowest >= -limit)).all())
