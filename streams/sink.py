"""Sink: predictions, windows and scores in; large columnar inserts into ClickHouse out."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from faust.types import TP

from tidecast.state.errors import StoreAwayError
from tidecast.state.partition import Batch, Rejected
from tidecast.state.settings import Settings
from tidecast.streams.backoff import Backoff
from tidecast.streams.flight import INSERT_BYTES, Flight, Item, PutAside
from tidecast.streams.metrics import SinkMetrics
from tidecast.streams.role import Save, Waiting
from tidecast.streams.sender import Sender
from tidecast.streams.store import Store, open_server
from tidecast.streams.threads import OneThread
from tidecast.streams.topics import topic_names
from tidecast.streams.wire import encode_rejected

__all__ = ["SinkRole"]

logger = logging.getLogger(__name__)
FLUSH_RECORDS = 20_000
FLUSH_BYTES = INSERT_BYTES
ANSWER_SECONDS = 60
LONGEST_WAIT_SECONDS = 10.0
PATIENCE_SECONDS = 3.0  # how long a checkpoint waits for an insert, with the turn held


class Gathered:
    """Records that wait for an insert."""

    def __init__(self) -> None:
        self.records: dict[str, list[Item]] = {}
        self.positions: dict[TP, int] = {}
        self._count = 0
        self._bytes = 0

    @property
    def is_full(self) -> bool:
        """Tell whether no more should be gathered before these are stored."""
        return self._count >= FLUSH_RECORDS or self._bytes >= FLUSH_BYTES

    def add(self, table: str, tp: TP, batch: Batch) -> None:
        """Add a batch; tombstones say nothing."""
        pairs = zip(batch.offsets.tolist(), batch.records, strict=True)
        items = [Item(tp, offset, value) for offset, value in pairs if value is not None]
        self.records.setdefault(table, []).extend(items)
        self.positions[tp] = int(batch.offsets[-1]) + 1
        self._count += len(items)
        self._bytes += sum(len(item.value) for item in items)


class SinkRole:
    """Gathers records for a fraction of a second, and inserts them; then they may be committed.

    The tables replace a row that is sent again, so reading on from the committed offset is enough:
    the sink's checkpoint is the store itself. One insert is under way at a time, beside the
    events; while the store is away it tries again and again, and what is gathered meanwhile is
    bounded: the rest waits in Kafka. ``trouble`` says why the store is waited for.
    """

    name = "sink"
    checkpoint_seconds = 0.2

    def __init__(
        self,
        settings: Settings,
        sender: Sender,
        open_store: Callable[[], Store] | None = None,
    ) -> None:
        topics = topic_names(settings.kafka.topic_prefix)
        self._tables = {
            topics.predictions: "predictions",
            topics.windows: "actuals",
            topics.scores: "scores",
        }
        self.groups: Mapping[str, Sequence[str]] = {"sink": list(self._tables)}
        self.trouble: str | None = None
        self._dead_letters = topics.dead_letters
        self._open_store = open_store or (lambda: open_server(settings.clickhouse, ANSWER_SECONDS))
        self._sender = sender
        self._thread = OneThread("insert")
        self._metrics = SinkMetrics()
        self._store: Store | None = None
        self._gathered = Gathered()
        self._stored: dict[TP, int] = {}
        self._flight = Flight({}, {})
        self._flying: asyncio.Task[None] | None = None

    async def open(self, assigned: Sequence[TP]) -> dict[TP, int]:
        """Read on from the committed offsets, giving up what was gathered but not stored."""
        if self._flying is not None:
            self._flying.cancel()
        self._gathered, self._stored, self.trouble = Gathered(), {}, None
        self._take_off()  # empty: it opens the store, or says that it is away
        return {}

    async def take(self, tp: TP, batch: Batch) -> AsyncIterator[Waiting]:
        """Gather a batch; wait where much is gathered and the insert before is not done."""
        self._gathered.add(self._tables[tp.topic], tp, batch)
        while self._gathered.is_full and (flying := self._turn_over()) is not None:
            yield flying
        yield None

    async def idle(self) -> None:
        """Do nothing: silence decides nothing here."""

    async def checkpoint(self) -> Save:
        """Insert what was gathered; give the positions that are in the store by now."""
        loop = asyncio.get_running_loop()
        until = loop.time() + PATIENCE_SECONDS
        while (flying := self._turn_over()) is not None and self.trouble is None:
            if (left := until - loop.time()) <= 0:
                break
            await asyncio.wait({flying}, timeout=min(left, 0.1))
        return self._save()

    async def _save(self) -> dict[TP, int]:
        """Do nothing more: what is stored is durable."""
        stored, self._stored = self._stored, {}
        return stored

    def _turn_over(self) -> asyncio.Task[None] | None:
        """Take note of a flight that has landed, and let the next take off; return who flies."""
        if self._flying is not None and self._flying.done():
            landed, self._flying = self._flying, None
            landed.result()
            self._stored |= self._flight.positions
        if self._flying is None and self._gathered.positions:
            self._take_off()
        return self._flying

    def _take_off(self) -> None:
        gathered, self._gathered = self._gathered, Gathered()
        self._flight = Flight(gathered.records, gathered.positions)
        self._flying = asyncio.create_task(self._fly(self._flight))
        self._flying.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def _fly(self, flight: Flight) -> None:
        """Insert; wait for a store that is away for as long as it takes."""
        backoff, since = Backoff(0.2, LONGEST_WAIT_SECONDS), time.monotonic()
        while True:
            try:
                await self._thread.run(self._land, flight)
                break
            except StoreAwayError as error:
                if self.trouble is None:
                    logger.warning("waiting for ClickHouse: %s", error)
                self.trouble = str(error)
                self._metrics.note_failure(seconds := backoff.next())
                await asyncio.sleep(seconds)
        if self.trouble is not None:
            logger.warning("ClickHouse serves again, after %.0f s", time.monotonic() - since)
            self.trouble = None
        for put_aside in flight.put_aside:
            await self._put_aside(put_aside)
        await self._sender.delivered()

    def _land(self, flight: Flight) -> None:
        self._store = self._store or self._opened()
        started = time.perf_counter()

        def note(table: str, rows: int) -> None:
            nonlocal started
            now = time.perf_counter()
            self._metrics.note(table, rows, now - started)
            started = now

        flight.land(self._store, note)

    def _opened(self) -> Store:
        store = self._open_store()
        try:
            store.migrate()
        except BaseException:
            store.close()
            raise
        return store

    async def _put_aside(self, put_aside: PutAside) -> None:
        (place, offset, value), reason = put_aside
        logger.error("%s/%d offset %d: %s", place.topic, place.partition, offset, reason)
        self._metrics.note_refused(self._tables[place.topic])
        rejected = Rejected(offset, reason, value)
        letter = encode_rejected(rejected, self.name, place.topic, place.partition)
        await self._sender.send(self._dead_letters, letter)
