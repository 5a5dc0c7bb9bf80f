"""A tally: sums over rows by where each of them belongs."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["Tally"]


class Tally:
    """Sums over rows by the place that each falls into, on axes of ``shape``."""

    def __init__(self, shape: tuple[int, ...], places: tuple[NDArray[np.int64], ...]) -> None:
        self._shape = shape
        self._flat = np.ravel_multi_index(places, shape)
        self.seen = self.sums()[..., None]  # rows by place, (*shape, 1)

    def sums(self, rows: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Return the sums of ``rows``, (row,), or how many there are: ``shape``."""
        sums = np.bincount(self._flat, rows, math.prod(self._shape))
        return np.asarray(sums, np.float64).reshape(self._shape)

    def counts(self, which: NDArray[np.int64], n: int) -> NDArray[np.int64]:
        """Return how many rows are of each of ``n`` kinds, by place: (*shape, n)."""
        shape = (*self._shape, n)
        return np.bincount(self._flat * n + which, minlength=math.prod(shape)).reshape(shape)
