"""A Faust transport whose messages are batches, and whose place in the log is the checkpoint's.

Stock Faust makes a message, an event and an acknowledgement of every record, and commits what was
acknowledged. Here a message is all that one fetch brought of a partition, ``Batch``, and what is
committed is the position of the last durable checkpoint (``safe``). The hooks overridden are
private to Faust: its version is pinned, and a test fails loudly when they change.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import aiokafka
import faust
import numpy as np
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from tidecast.state.errors import TidecastError
from tidecast.state.partition import Batch
from tidecast.streams.fast_records import RecordBatch, whole

__all__ = ["BatchApp", "BatchConsumer", "RawBatches"]

FETCH_BYTES = 4 * 1024 * 1024


class BatchThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """Faust's consumer thread, reading committed records only, in large fetches."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        stock = aiokafka.AIOKafkaConsumer
        extra = {
            "isolation_level": "read_committed",
            "fetch_max_bytes": 4 * FETCH_BYTES,
            "value_deserializer": whole,
        }

        def consumer(**options: Any) -> Any:
            return stock(**{**options, **extra})

        driver.aiokafka.AIOKafkaConsumer = consumer
        try:
            return super()._create_worker_consumer(transport)
        finally:
            driver.aiokafka.AIOKafkaConsumer = stock


class BatchConsumer(driver.Consumer):  # type: ignore[misc]
    """Yields one message a partition and fetch; seeks and commits as the checkpoints say.

    ``positions`` is where reading goes on after an assignment; ``safe`` is what may be committed.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        self.positions: dict[TP, int] = {}
        self.safe: dict[TP, int] = {}
        super().__init__(*args, **options)

    def _new_consumer_thread(self) -> BatchThread:
        return BatchThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        """Yield one message for each partition that a fetch brought records of."""
        records, active = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if records is None or self.should_stop:
            return
        if not self.flow_active:
            await self.perform_seek()
            return
        for place, fetched in records.items():
            if not self.flow_active or self.app.consumer_generation_id != generation:
                return
            tp = TP(place.topic, place.partition)
            if fetched and (active is None or tp in active or tp in self._buffered_partitions):
                self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
                yield tp, _message(tp, _join(fetched), generation)

    async def perform_seek(self) -> None:
        """Go to the checkpoints' positions, whatever was committed."""
        await super().perform_seek()
        assigned = self.assignment()
        positions = {tp: at for tp, at in self.positions.items() if tp in assigned}
        if positions:
            await self._thread.seek_wait(positions)
        for tp, position in positions.items():
            self._read_offset[tp] = position or None

    def on_buffer_full(self, tp: TP) -> None:
        """Do nothing: the full queue itself holds the fetcher back, without a pause of seconds."""

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Do nothing: jumps between the first offsets of batches are no gaps."""

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return iter(
            [tp for tp in self.safe if topics is None or tp in topics or tp.topic in topics]
        )

    def _new_offset(self, tp: TP) -> int | None:
        return self.safe.get(tp)

    async def on_partitions_revoked(self, revoked: Iterable[TP]) -> None:
        """Commit what the last checkpoints allow, and forget it: the partitions are not ours."""
        await super().on_partitions_revoked(revoked)
        await self.commit()
        self.safe = {}


class BatchTransport(driver.Transport):  # type: ignore[misc]
    """Faust's aiokafka transport with the batch consumer."""

    Consumer = BatchConsumer


class BatchApp(faust.App):  # type: ignore[misc]
    """A Faust app over the batch transport; ``failure`` is why its worker stopped itself."""

    failure: TidecastError | None = None

    def _new_transport(self) -> BatchTransport:
        return BatchTransport(self.conf.broker_consumer, self)


class RawBatches(faust.Schema):  # type: ignore[misc]
    """The schema of topics read by the batch transport: batches pass through as they are."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> None:
        """Return nothing: keys mean nothing to ingest."""

    def loads_value(self, app: Any, message: Any, **_: Any) -> Batch:
        """Return the batch."""
        batch: Batch = message.value
        return batch


def _join(fetched: list[Any]) -> Batch:
    """Return one batch of all that a fetch brought, in either form of the reader."""
    batches = fetched if isinstance(fetched[0], RecordBatch) else [RecordBatch.of(fetched)]
    values = [value for batch in batches for value in batch.values]
    return Batch(np.concatenate([batch.offsets for batch in batches]), values)


def _message(tp: TP, batch: Batch, generation: int) -> ConsumerMessage:
    return ConsumerMessage(
        tp.topic,
        tp.partition,
        int(batch.offsets[0]),
        0.0,
        0,
        (),
        None,
        batch,
        None,
        0,
        0,
        tp,
        generation_id=generation,
    )
