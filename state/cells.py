"""Cells: (region, category) pairs, numbered as they appear."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["ALL", "OVERFLOW", "Cell", "CellIndex"]

logger = logging.getLogger(__name__)


class Cell(NamedTuple):
    """One (region, category) pair."""

    region: str
    category: str


ALL = "(all)"
"""Stands for the region or category of what is summed over all of them."""

OVERFLOW = Cell("(overflow)", "(overflow)")
"""Where the events of all cells beyond the limit are counted."""


class CellIndex:
    """An append-only numbering of cells, bounded by ``max_cells``.

    Cells beyond the limit share the number of the one overflow cell, which comes on top of the
    limit; the first is logged. ``overflowed`` counts how often a name was refused a number.

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
        self.cells: list[Cell] = []
        self.overflowed = 0
        self.regions = Names()
        self.categories = Names()
        self._number: dict[Cell, int] = {}
        for cell in cells:
            self._append(Cell(*cell))

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
            if not self.overflowed:
                logger.warning(
                    "more than %d cells: new ones are counted together as %s, from %r on; "
                    "raise limits.max_cells, or find out who sends such names",
                    self.max_cells,
                    OVERFLOW.region,
                    cell,
                )
            self.overflowed += 1
            return self.add(OVERFLOW)
        return self._append(cell)

    def _append(self, cell: Cell) -> int:
        self._number[cell] = number = len(self.cells)
        self.cells.append(cell)
        self.regions.append(cell.region)
        self.categories.append(cell.category)
        return number


class Names:
    """One name a cell, kept as a code into the list of different names."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._code: dict[str, int] = {}
        self._codes = np.zeros(64, np.int32)
        self._length = 0

    def append(self, name: str) -> None:
        """Add the name of the next cell."""
        code = self._code.setdefault(name, len(self.names))
        if code == len(self.names):
            self.names.append(name)
        if self._length == len(self._codes):
            self._codes = np.concatenate([self._codes, np.zeros_like(self._codes)])
        self._codes[self._length] = code
        self._length += 1

    def of(self, cells: NDArray[np.int64]) -> tuple[list[str], NDArray[np.int32]]:
        """Return the different names of the numbered ``cells``, and each one's place in them."""
        codes = self._codes[cells]
        used = np.bincount(codes, minlength=len(self.names)) > 0
        place = np.cumsum(used, dtype=np.int32) - 1
        return [self.names[code] for code in np.flatnonzero(used)], place[codes]
