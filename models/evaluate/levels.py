"""Levels: cells, and the regions, categories and total that they add up to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tidecast.state.cells import Cell

__all__ = ["LEVELS", "Rows"]

LEVELS = ("cell", "region", "category", "total")
"""Every level of scores, the finest first."""


class Rows:
    """The rows of one level: which cells add up to each; rows are numbered as they appear."""

    def __init__(self, level: str) -> None:
        self.level = level
        self._names: dict[str, int] = {}
        self._row = np.zeros(0, np.int64)  # (cell,)

    def __len__(self) -> int:
        return len(self._names)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the rows in order; cells have their numbers."""
        return tuple(self._names)

    def see(self, cells: Sequence[Cell]) -> None:
        """Take in the cells that are new; those seen before must come first."""
        seen = len(self._row)
        if len(cells) > seen:
            new = [self._number(cell) for cell in cells[seen:]]
            self._row = np.concatenate([self._row, np.array(new, np.int64)])

    def _number(self, cell: Cell) -> int:
        names = {"cell": f"{len(self._names)}", "region": cell.region, "category": cell.category}
        return self._names.setdefault(names.get(self.level, "total"), len(self._names))

    def add_up(
        self, values: NDArray[np.floating], known: NDArray[np.bool_]
    ) -> NDArray[np.floating]:
        """Return sums over the cells of each row that are ``known``: the axis -2 is summed.

        ``values`` is (..., cell, lead), ``known`` broadcasts against it. A row none of whose
        cells is known is NaN.
        """
        n_cells = values.shape[-2]
        if self.level == "cell" or not n_cells:
            return np.where(known, values, np.nan)
        order = np.argsort(self._row[:n_cells], kind="stable")
        starts = np.searchsorted(self._row[order], np.arange(self._row[:n_cells].max() + 1))
        kept = np.broadcast_to(known, values.shape)
        sums = np.add.reduceat(np.where(kept, values, 0.0)[..., order, :], starts, axis=-2)
        n = np.add.reduceat(kept[..., order, :], starts, axis=-2, dtype=np.int64)
        return np.where(n > 0, sums, np.nan)
