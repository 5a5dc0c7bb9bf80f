"""Aggregates: the regions, categories and total that cells add up to, as nodes of a hierarchy."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from tidecast.state.cells import ALL, Cell

__all__ = ["Hierarchy", "nodes_of"]

Table = NDArray[np.float64]

MOSTLY = 0.8
"""The least share of what was expected of a node that must be known for its sum to be."""

NODES: tuple[Callable[[Cell], Cell], ...] = (
    lambda cell: Cell(cell.region, ALL),
    lambda cell: Cell(ALL, cell.category),
    lambda cell: Cell(ALL, ALL),
)
"""The node of each level that a cell is counted in."""


class Hierarchy:
    """Which nodes cells are counted in: regions, categories and the total.

    A level is there as soon as it says more than the others do: regions when there are two, and
    one of them has a second cell; categories likewise; the total when there are two cells. Nodes
    are named as cells are, with ``ALL`` for what is summed over. They are numbered as they appear:
    a function of the list of cells alone, which may only grow.

    Examples
    --------
    >>> hierarchy = Hierarchy()
    >>> hierarchy.see([Cell("north", "books"), Cell("south", "books")])
    >>> [tuple(node) for node in hierarchy.nodes]
    [('(all)', '(all)')]
    """

    def __init__(self) -> None:
        self.nodes: list[Cell] = []
        self._cells: list[Cell] = []
        self._regions: set[str] = set()
        self._categories: set[str] = set()
        self._number: dict[Cell, int] = {}
        self._rows: list[list[int]] = [[] for _ in NODES]
        self._groups: list[Group] = []

    def see(self, cells: Sequence[Cell]) -> None:
        """Take in the cells that are new; those seen before must come first."""
        fresh = cells[len(self._cells) :]
        for cell in fresh:
            self._add(cell)
        if fresh:
            self._groups = [Group(np.array(rows, np.int64)) for rows in self._rows if rows]

    @property
    def n_cells(self) -> int:
        """Cells that were seen so far."""
        return len(self._cells)

    def _add(self, cell: Cell) -> None:
        self._cells.append(cell)
        self._regions.add(cell.region)
        self._categories.add(cell.category)
        n_cells = len(self._cells)
        n_nodes = (len(self._regions), len(self._categories))
        is_there = [*(1 < n < n_cells for n in n_nodes), n_cells > 1]
        for node_of, rows, there in zip(NODES, self._rows, is_there, strict=True):
            if there:
                rows += [self._numbered(node_of(seen)) for seen in self._cells[len(rows) :]]

    def _numbered(self, node: Cell) -> int:
        if node not in self._number:
            self._number[node] = len(self.nodes)
            self.nodes.append(node)
        return self._number[node]

    def sums(self, values: NDArray[np.floating]) -> Table:
        """Return the sums of nodes, (node, ...), of the values of cells, (cell, ...)."""
        sums = np.zeros((len(self.nodes), *values.shape[1:]))
        for group in self._groups:
            group.add_up(values, sums)
        return sums

    def spread(self, values: Table) -> Table:
        """Return, for each cell, what its nodes have together: (cell, ...) of (node, ...)."""
        total = np.zeros((len(self._cells), *values.shape[1:]))
        for group in self._groups:
            group.add_to(total, values)
        return total

    def observed(self, values: Table, expected: NDArray[np.floating]) -> Table:
        """Return the actuals of nodes, (node, series), of those of cells, (cell, series).

        A cell that is missing (NaN) is not zero: it counts for what was ``expected`` of it. A node
        of which less is known than ``MOSTLY`` all that was expected is missing too.
        """
        known = np.isfinite(values)
        told = self.sums(np.where(known, expected, 0.0))
        whole = self.sums(expected)
        is_known = (told >= MOSTLY * whole) & (told > 0.0) | (self.sums(~known) == 0)
        return np.where(is_known, self.sums(np.where(known, values, expected)), np.nan)


def nodes_of(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """Return the nodes that ``cells`` are counted in."""
    hierarchy = Hierarchy()
    hierarchy.see(cells)
    return tuple(hierarchy.nodes)


class Group:
    """Cells by the node of one level that they are counted in; ``rows`` are nodes, (cell,)."""

    def __init__(self, rows: NDArray[np.int64]) -> None:
        self.rows = rows
        self._order = np.argsort(rows, kind="stable")
        self._present, self._starts = np.unique(rows[self._order], return_index=True)

    def add_up(self, values: NDArray[np.floating], sums: Table) -> None:
        """Write sums of ``values``, (cell, ...), into those of the group's nodes, (node, ...)."""
        if len(self._present) == 1:
            sums[self._present] = values.sum(axis=0, dtype=np.float64)
            return
        ordered = values[self._order]
        sums[self._present] = np.add.reduceat(ordered, self._starts, axis=0, dtype=np.float64)

    def add_to(self, cells: Table, values: Table) -> None:
        """Add the ``values`` of nodes, (node, ...), to those of their ``cells``, (cell, ...)."""
        cells += values[self._present] if len(self._present) == 1 else values[self.rows]
