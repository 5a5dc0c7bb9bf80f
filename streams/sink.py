"""Sink: predictions, windows and scores in; large columnar inserts into ClickHouse out."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from faust.types import TP
from pydantic import ValidationError

from tidecast.state.errors import ContractError
from tidecast.state.partition import Batch
from tidecast.state.settings import Settings
from tidecast.streams.metrics import SinkMetrics
from tidecast.streams.schemas.records import ScoreRecord, WindowRecord
from tidecast.streams.sender import Sender
from tidecast.streams.store import Store, open_server
from tidecast.streams.store.decode import decode_predictions
from tidecast.streams.store.rows import actual_columns, score_columns
from tidecast.streams.threads import OneThread
from tidecast.streams.topics import topic_names

__all__ = ["SinkRole", "store_records"]

FLUSH_RECORDS = 20_000
Columns = dict[str, Any]


def _actuals(records: Sequence[bytes]) -> Columns:
    return actual_columns([WindowRecord.model_validate_json(record) for record in records])


def _scores(records: Sequence[bytes]) -> Columns:
    return score_columns([ScoreRecord.model_validate_json(record) for record in records])


COLUMNS: dict[str, Callable[[Sequence[bytes]], Columns]] = {
    "predictions": decode_predictions,
    "actuals": _actuals,
    "scores": _scores,
}


def store_records(store: Store, table: str, records: Sequence[bytes]) -> int:
    """Insert the records of one topic into their table, in one block; return the rows.

    Raises
    ------
    ContractError
        When a record is not what its topic holds.
    StoreError
        When the store is away or refuses the rows.
    """
    try:
        columns = COLUMNS[table](records)
    except ValidationError as error:
        raise ContractError(f"not a record for table {table}: {error}") from error
    return store.insert(table, columns)


class SinkRole:
    """Gathers records for a fraction of a second, and inserts them; then they may be committed.

    The tables replace a row that is sent again, so reading on from the committed offset is enough:
    the sink's checkpoint is the store itself.
    """

    name = "sink"
    checkpoint_seconds = 0.2

    def __init__(self, settings: Settings, sender: Sender) -> None:
        topics = topic_names(settings.kafka.topic_prefix)
        self._tables = {
            topics.predictions: "predictions",
            topics.windows: "actuals",
            topics.scores: "scores",
        }
        self.groups: Mapping[str, Sequence[str]] = {"sink": list(self._tables)}
        self._settings = settings
        self._thread = OneThread("insert")
        self._metrics = SinkMetrics()
        self._store: Store | None = None
        self._records: dict[str, list[bytes]] = {}
        self._positions: dict[TP, int] = {}

    async def open(self, assigned: Sequence[TP]) -> dict[TP, int]:
        """Open the store, bringing its tables up to date; read on from the committed offsets."""
        self._records, self._positions = {}, {}
        if self._store is None:
            self._store = await self._thread.run(open_server, self._settings.clickhouse)
            await self._thread.run(self._store.migrate)
        return {}

    async def take(self, tp: TP, batch: Batch) -> AsyncIterator[None]:
        """Gather a batch; insert when there is much."""
        table = self._tables[tp.topic]
        self._records.setdefault(table, []).extend(r for r in batch.records if r is not None)
        self._positions[tp] = int(batch.offsets[-1]) + 1
        if sum(map(len, self._records.values())) >= FLUSH_RECORDS:
            await self._insert()
        yield

    async def idle(self, ends: dict[TP, int]) -> None:
        """Do nothing: silence decides nothing here."""

    async def checkpoint(self) -> dict[TP, int]:
        """Insert what was gathered; the positions behind it are durable then."""
        await self._insert()
        positions, self._positions = self._positions, {}
        return positions

    async def _insert(self) -> None:
        if self._store is None:
            return
        gathered, self._records = self._records, {}
        for table, records in gathered.items():
            started = time.perf_counter()
            rows = await self._thread.run(store_records, self._store, table, records)
            self._metrics.note(table, rows, time.perf_counter() - started)
