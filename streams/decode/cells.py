"""From the codes of regions and categories to the numbers of a partition's cells."""

from __future__ import annotations

from weakref import ref

import numpy as np
from numpy.typing import NDArray

from tidecast.state.cells import Cell, CellIndex
from tidecast.streams.decode.names import NameCodes

__all__ = ["CellNumbers"]

Codes = NDArray[np.int32]
MAX_TABLE = 1 << 22  # region x category pairs; with more, each batch asks the cell index anew


class CellNumbers:
    """The cells of one partition, looked up by code."""

    def __init__(self, regions: NameCodes, categories: NameCodes, cells: CellIndex) -> None:
        self._regions = regions
        self._categories = categories
        self._cells = ref(cells)
        self._table = np.full((16, 16), -1, np.int32)  # (region, category)

    def of(self, region: Codes, category: Codes) -> Codes:
        """Return the number of each record's cell; new cells join in the order of the records."""
        shape = (_room(len(self._regions.names)), _room(len(self._categories.names)))
        if shape[0] * shape[1] > MAX_TABLE:
            return self._ask(region, category)
        self._grow(shape)
        numbers = self._table[region, category]
        if (new := np.flatnonzero(numbers < 0)).size:
            self._table[region[new], category[new]] = self._ask(region[new], category[new])
            numbers = self._table[region, category]
        return numbers

    def _grow(self, shape: tuple[int, int]) -> None:
        rows, columns = self._table.shape
        if shape[0] > rows or shape[1] > columns:
            table = np.full((max(shape[0], rows), max(shape[1], columns)), -1, np.int32)
            table[:rows, :columns] = self._table
            self._table = table

    def _ask(self, region: Codes, category: Codes) -> Codes:
        pairs = region.astype(np.int64) << 32 | category
        unique, first, inverse = np.unique(pairs, return_index=True, return_inverse=True)
        numbers = np.zeros(len(unique), np.int32)
        for place in np.argsort(first).tolist():
            numbers[place] = self._add(int(unique[place]))
        return numbers[inverse]

    def _add(self, pair: int) -> int:
        cells = self._cells()
        if cells is None:
            raise RuntimeError("the cell index of these numbers is gone")
        return cells.add(
            Cell(self._regions.names[pair >> 32], self._categories.names[pair & 0xFFFFFFFF])
        )


def _room(count: int) -> int:
    return 1 << max(count - 1, 15).bit_length()
