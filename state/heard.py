"""Covariates put together again, of what was known of them when bins closed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidecast.state.bins import BinGrid
from tidecast.state.cells import Cell
from tidecast.state.covariates import FOREVER, Covariate, Key, Kind
from tidecast.state.known import Known

__all__ = ["Heard", "HeardCovariate"]

NOBODY: Key = (None, None)


@dataclass(frozen=True, eq=False)
class HeardCovariate(Covariate):
    """A covariate as it was told of from the end of bin ``since`` on.

    Of cells that shared their values one is the key of all: ``alike`` tells which.
    """

    since: int = 0
    alike: Mapping[Cell, Cell] = field(default_factory=dict)

    def key(self, cell: Cell) -> Key:
        """Return the key that a cell is looked up by."""
        return self.alike.get(cell, NOBODY)


class Heard:
    """Listens to what is known of covariates at the ends of bins, shard by shard.

    It is the inverse of `Knowledge`: what was known at the end of a bin is known to the covariates
    from then on, and no sooner. Only what changes is kept.
    """

    def __init__(self, grid: BinGrid) -> None:
        self._grid = grid
        self._rows: dict[tuple[str, Kind], _Rows] = {}

    def take(self, shard: int, bin_: int, cells: Sequence[Cell], known: Sequence[Known]) -> None:
        """Take in what is known at the end of a bin later than those before; cells only grow."""
        for each in known:
            rows = self._rows.setdefault((each.name, each.kind), _Rows(since=bin_))
            first = FOREVER if each.kind == "static" else bin_
            rows.take(shard, self._grid.end(bin_), _Newest.of(first, cells, each))

    def covariates(self) -> tuple[HeardCovariate, ...]:
        """Return all that was told of."""
        return tuple(rows.covariate(name, kind) for (name, kind), rows in self._rows.items())


@dataclass(frozen=True, eq=False)
class _Newest:
    """What was known last of the bins from ``first`` on: ``values`` (bin, column).

    ``whose`` is the first cell of each column, ``columns`` (cell,) tells which column is whose.
    """

    first: int
    cells: Sequence[Cell]
    whose: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: NDArray[np.float64]

    @classmethod
    def of(cls, first: int, cells: Sequence[Cell], known: Known) -> _Newest:
        used, whose, columns = np.unique(known.columns, return_index=True, return_inverse=True)
        return cls(first, cells, whose, columns, known.values[:, used])

    def news(self, before: _Newest | None) -> NDArray[np.bool_]:
        """Return where this says something else than the one ``before``: (bin, column)."""
        said = np.full((len(self.values), len(self.cells)), np.nan)
        if before is not None:
            rows = before.values[self.first - before.first :][: len(said)]
            said[: len(rows), before.whose] = rows
        said = said[:, self.whose]
        same = (self.values == said) | (np.isnan(self.values) & np.isnan(said))
        return np.asarray(~same)

    def alike(self) -> dict[Cell, Cell]:
        """Return the first cell of the column of every cell."""
        firsts = self.whose[self.columns]
        return {cell: self.cells[first] for cell, first in zip(self.cells, firsts, strict=True)}


class _Rows:
    """The rows of one covariate, in the order in which they became known."""

    def __init__(self, since: int) -> None:
        self._since = since
        self._keys: dict[Cell, int] = {}
        self._newest: dict[int, _Newest] = {}
        self._parts: list[tuple[NDArray[Any], ...]] = []

    def take(self, shard: int, known_at: int, newest: _Newest) -> None:
        """Take in what is known at an instant later than those before."""
        news = newest.news(self._newest.get(shard))
        bins, columns = np.nonzero(news)
        firsts = (newest.cells[first] for first in newest.whose)
        keys = np.array([self._keys.setdefault(cell, len(self._keys)) for cell in firsts], np.int64)
        known = np.full(len(bins), known_at, np.int64)
        self._parts.append((newest.first + bins, keys[columns], newest.values[news], known))
        self._newest[shard] = newest

    def covariate(self, name: str, kind: Kind) -> HeardCovariate:
        """Return the covariate of these rows."""
        bins, places, values, known_at = map(np.concatenate, zip(*self._parts, strict=True))
        alike: dict[Cell, Cell] = {}
        for newest in self._newest.values():
            alike |= newest.alike()
        return HeardCovariate(
            name,
            tuple(self._keys),
            bins,
            places,
            values,
            known_at,
            kind=kind,
            since=self._since,
            alike=alike,
        )
