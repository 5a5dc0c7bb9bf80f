"""The context of a live model: the last closed bins of all cells, as they are told of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays
from tidecast.models.deep.known import KnownBins
from tidecast.state.cells import Cell
from tidecast.state.known import Known
from tidecast.state.scopes import nested, scoped
from tidecast.state.window import Window

__all__ = ["ClosedBin", "Context"]


@dataclass(frozen=True, eq=False)
class ClosedBin:
    """A closed bin of some cells, or its correction: ``values`` are (cell, series), NaN = missing.

    ``known`` is what was known of covariates at its end.
    """

    bin: int
    cells: Sequence[Cell]
    values: NDArray[np.floating]
    known: Sequence[Known] = ()


class Context:
    """The last ``length`` bins; NaN is missing, be it that a bin was skipped or never came.

    Bins may come again, as a reader meets them that begins anew, and earlier ones may be corrected.
    """

    def __init__(self, length: int, n_series: int) -> None:
        self.cells: Sequence[Cell] = ()
        self.known = KnownBins(length)
        self._window = Window(length, n_series)

    @property
    def last_bin(self) -> int | None:
        """The newest bin, None before there is any."""
        return self._window.last_bin

    @property
    def length(self) -> int:
        """Bins kept."""
        return self._window.context_length

    def take(self, closed: ClosedBin) -> bool:
        """Take in a closed bin, or its correction; return whether it is the newest.

        Cells may only grow. What is known of covariates counts when the bin is told of first.
        """
        bin_, values = closed.bin, closed.values
        if len(closed.cells) > len(self.cells):
            self.cells = tuple(closed.cells)
        if self.last_bin is not None and bin_ <= self.last_bin:
            self._window.correct(bin_, values)
            return False
        self._window.append(bin_, values)
        self.known.take(bin_, closed.known)
        return True

    def values(self, length: int) -> NDArray[np.float32]:
        """Return a copy of the last ``length`` bins, at most those kept: (bin, cell, series)."""
        return self._window.values[self.length - length :].copy()

    def after(self, origin: int, n_bins: int) -> NDArray[np.float32]:
        """Return the bins that came after ``origin``, NaN where not kept: (series, cell, bin)."""
        bins = range(origin + 1, origin + 1 + n_bins)
        return np.stack([self._window.at(bin_).T for bin_ in bins], axis=-1)

    def snapshot(self) -> Arrays:
        """Return the bins as arrays; cells are known to who asks."""
        return self._window.snapshot() | nested({"known": self.known.snapshot()})

    def restore(self, arrays: Arrays, cells: Sequence[Cell]) -> None:
        """Become the context that ``snapshot`` was taken of, when it knew these ``cells``."""
        self.cells = tuple(cells)
        self._window.restore(arrays)
        self.known.restore(scoped(arrays, "known"))
