"""Cells: (region, category) pairs, numbered as they appear."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["OVERFLOW", "Cell", "CellIndex"]


class Cell(NamedTuple):
    """One (region, category) pair."""

    region: str
    category: str


OVERFLOW = Cell("(overflow)", "(overflow)")
"""Where the events of all cells beyond the limit are counted."""


class CellIndex:
    """An append-only numbering of cells, bounded by ``max_cells``.

    Cells beyond the limit share the number of the one overflow cell, which comes on top of the
    limit. ``overflowed`` counts the names refused a number.

    Examples
    --------
    >>> cells = CellIndex(max_cells=1)
    >>> [cells.add(Cell("north", c)) for c in ("books", "toys", "garden")]
    [0, 1, 1]
    >>> cells.cells[1].region, cells.overflowed
    ('(overflow)', 2)
    """

    def __init__(self, max_cells: int, cells: Iterable[Cell] = ()) -> None:
        self.max_cells = max_cells
        self.cells: list[Cell] = [Cell(*cell) for cell in cells]
        self.overflowed = 0
        self._number = {cell: number for number, cell in enumerate(self.cells)}

    def __len__(self) -> int:
        return len(self.cells)

    def __contains__(self, cell: Cell) -> bool:
        return cell in self._number

    def add(self, cell: Cell) -> int:
        """Return the number of ``cell``, giving it one if it is new."""
        number = self._number.get(cell)
        if number is not None:
            return number
        if cell != OVERFLOW and len(self) - (OVERFLOW in self._number) >= self.max_cells:
            self.overflowed += 1
            return self.add(OVERFLOW)
        self._number[cell] = number = len(self.cells)
        self.cells.append(cell)
        return number
