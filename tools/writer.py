"""Write records to a store beside the work that makes them."""

from __future__ import annotations

import queue
import threading

from tidecast.state.errors import TidecastError
from tidecast.streams.sink import store_records
from tidecast.streams.store import Store

__all__ = ["StoreWriter"]

BLOCK_RECORDS = 20_000


class StoreWriter:
    """Writes blocks of records to a store from a thread of its own; a full queue holds back."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queue: queue.Queue[tuple[str, list[bytes]] | None] = queue.Queue(4)
        self._error: BaseException | None = None
        self._blocks: dict[str, list[bytes]] = {}
        self._thread = threading.Thread(target=self._run, name="store")
        self._thread.start()

    def add(self, table: str, record: bytes) -> None:
        """Gather a record for ``table``."""
        block = self._blocks.setdefault(table, [])
        block.append(record)
        if len(block) >= BLOCK_RECORDS:
            self._put((table, self._blocks.pop(table)))

    def close(self) -> None:
        """Write what is left and wait for it; raise what went wrong."""
        for block in self._blocks.items():
            self._put(block)
        self._put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _put(self, item: tuple[str, list[bytes]] | None) -> None:
        if self._error is None:
            self._queue.put(item)

    def _run(self) -> None:
        try:
            while (item := self._queue.get()) is not None:
                store_records(self._store, *item)
        except TidecastError as error:
            self._error = error
            while self._queue.get() is not None:  # whoever is putting must not wait for ever
                pass
