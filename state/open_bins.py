"""Bins that may still change: exact sums of the events of one source partition."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["OpenBin", "sums_by_bin"]

DENSE_BINS = 4  # bins at once that are added up as one block
EXACT = 2**53  # the largest integer below which float64 sums are exact

Longs = NDArray[np.int64]


class OpenBin:
    """The sums of a bin that may still change: (1 + term, cell); row 0 counts events."""

    def __init__(self, n_terms: int) -> None:
        self.sums = np.zeros((1 + n_terms, 0), np.int64)
        self.changed = False

    def add(self, sums: Longs) -> None:
        """Add ``sums``, (1 + term, cell), of all cells known by now."""
        if sums.shape[1] > self.sums.shape[1]:
            self.sums = np.pad(self.sums, ((0, 0), (0, sums.shape[1] - self.sums.shape[1])))
        self.sums += sums
        self.changed = True


def sums_by_bin(
    bins: Longs, cells: NDArray[np.int32], terms: Longs, n_cells: int
) -> Iterator[tuple[int, Longs]]:
    """Yield (bin, sums), (1 + term, cell), of the bins that have records."""
    first = int(bins.min())
    span = int(bins.max()) - first + 1
    if span > DENSE_BINS:  # few records far apart: a block of all bins between would be huge
        numbers, bins = np.unique(bins, return_inverse=True)
    else:
        numbers, bins = np.arange(first, first + span), bins - first
    sums = add_up(bins * n_cells + cells, terms, len(numbers) * n_cells)
    for place, number in enumerate(numbers.tolist()):
        block = sums[:, place * n_cells : (place + 1) * n_cells]
        if block[0].any():
            yield number, block


def add_up(places: Longs, terms: Longs, n_places: int) -> Longs:
    """Return the exact sums, (1 + term, place), of ``terms``, (record, term); row 0 counts."""
    sums = np.empty((1 + terms.shape[1], n_places), np.int64)
    sums[0] = np.bincount(places, minlength=n_places)
    for row, addends in zip(sums[1:], terms.T, strict=True):
        if np.abs(addends).max(initial=0) * len(addends) < EXACT:
            row[:] = np.bincount(places, addends, n_places)
        else:
            row[:] = 0
            np.add.at(row, places, addends)
    return sums
