"""Write columns to a store beside the work that makes them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from tidecast.state.errors import TidecastError
from tidecast.streams.store import Store

__all__ = ["StoreWriter"]

BLOCK_ROWS = 20_000
Columns = Mapping[str, Any]
Shape = tuple[tuple[int, ...], ...]


class StoreWriter:
    """Gathers columns into large blocks, and inserts them in a thread of its own.

    A full queue holds back whoever adds; an error of the store is raised by ``close``.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queue: queue.Queue[tuple[str, Columns] | None] = queue.Queue(4)
        self._error: TidecastError | None = None
        self._gathered: dict[tuple[str, Shape], list[Columns]] = {}
        self._thread = threading.Thread(target=self._run, name="store")
        self._thread.start()

    def add(self, table: str, columns: Columns) -> None:
        """Gather rows for ``table``, apart from those whose arrays have other shapes."""
        kind = table, _shape(columns)
        gathered = self._gathered.setdefault(kind, [])
        gathered.append(columns)
        if sum(_rows(block) for block in gathered) >= BLOCK_ROWS:
            self._flush(kind)

    def close(self) -> None:
        """Write what is left and wait for it; raise what went wrong."""
        for kind in list(self._gathered):
            self._flush(kind)
        self._queue.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _flush(self, kind: tuple[str, Shape]) -> None:
        table, blocks = kind[0], self._gathered.pop(kind)
        if self._error is not None:
            raise self._error
        self._queue.put((table, {name: _join([b[name] for b in blocks]) for name in blocks[0]}))

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            if self._error is None:
                try:
                    self._store.insert(*item)
                except TidecastError as error:
                    self._error = error


def _rows(columns: Columns) -> int:
    return len(next(iter(columns.values())))


def _shape(columns: Columns) -> Shape:
    """Return what must be equal for arrays to be joined: their axes beyond the rows."""
    return tuple(c.shape[1:] for c in columns.values() if isinstance(c, np.ndarray))


def _join(columns: Sequence[Any]) -> Any:
    if isinstance(columns[0], np.ndarray):
        return np.concatenate(columns)
    return list(chain.from_iterable(columns))
