"""A Faust transport whose messages are batches, and whose place in the log is the checkpoint's.

Stock Faust makes a message, an event and an acknowledgement of every record, and commits what was
acknowledged. Here a message is all that one fetch brought of a partition, ``Batch``, and what is
committed is the position of the last durable checkpoint (``safe``). The hooks overridden are
private to Faust: its version is pinned, and a test fails loudly when they change.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import faust
import numpy as np
from aiokafka.errors import KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from tidecast.state.errors import ServiceError
from tidecast.state.partition import Batch
from tidecast.streams.consumer_thread import BatchThread
from tidecast.streams.fast_records import RecordBatch

__all__ = ["BatchApp", "BatchConsumer", "Fetched", "RawBatches"]

LEARN_SECONDS = 30.0


@dataclass(frozen=True)
class Fetched:
    """A batch, and the offset that reading stood at before it; None where nobody has seeked."""

    since: int | None
    batch: Batch


class Unread(dict[TP, int | None]):
    """In place of Faust's read offsets, by which it drops messages: knows of none."""

    def __getitem__(self, tp: TP) -> None:
        return None

    def __setitem__(self, tp: TP, offset: int | None) -> None:
        return


class BatchConsumer(driver.Consumer):  # type: ignore[misc]
    """Yields one message a partition and fetch; seeks and commits as the checkpoints say.

    ``positions`` is where reading goes on after an assignment; ``safe`` is what may be committed;
    ``handed`` is up to where records were handed over since then, written by the thread.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        self.handed: dict[TP, int] = {}
        self.positions: dict[TP, int] = {}
        self.safe: dict[TP, int] = {}
        super().__init__(*args, **options)
        self._read_offset = Unread()

    def _new_consumer_thread(self) -> BatchThread:
        return BatchThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        """Yield one message for each partition that a fetch brought records of.

        What is handed over is let go of: the rest may wait for long until the role has room.
        """
        fetched, active = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if fetched is None or self.should_stop:
            return
        for place in [*fetched]:
            since, records = fetched.pop(place)
            if not self.flow_active or self.app.consumer_generation_id != generation:
                return
            tp = TP(place.topic, place.partition)
            if active is None or tp in active or tp in self._buffered_partitions:
                yield tp, _message(tp, Fetched(since, _join(records)), generation)

    async def perform_seek(self) -> None:
        """Go to the checkpoints' positions; without any, aiokafka goes to the committed offset."""
        self.handed.clear()
        await self.go_to(self.positions)

    async def go_to(self, positions: Mapping[TP, int]) -> None:
        """Read on from ``positions``, those that are assigned."""
        await self._thread.go_to(positions)

    async def starting_point(self, tp: TP) -> int | None:
        """Return the group's committed offset, where it has none the first one; None: unknown."""
        offset: int | None = await self._thread.starting_point(tp)
        return offset

    def lost(self) -> BaseException | None:
        """Return of what the client has given up its group for good, None while it has not."""
        error: BaseException | None = self._thread.lost()
        return error

    async def watch_partitions(self) -> None:
        """See to it that new partitions of our topics are assigned to somebody."""
        await self._thread.watch_partitions()

    async def committed(self, tp: TP) -> int | None:
        """Return the group's committed offset, None where it has none."""
        offset: int | None = await self._thread.committed(tp)
        return offset

    async def reach(self, tps: Sequence[TP]) -> dict[TP, int]:
        """Return up to where a partition must be folded to be read to its end, asked anew.

        Partitions that are not ours, or of which the broker tells nothing in time, are left out.
        """
        found: dict[TP, int] = await self._thread.reach(tps)
        return found

    async def hold(self, tps: Sequence[TP]) -> None:
        """Fetch no more of these partitions until they are released or assigned anew.

        Not by Faust's own pause, which throws away what a fetch under way brings, and with all
        partitions paused does not poll, so that the group expels the worker in the end.
        """
        await self._thread.pause(tps, True)

    async def release(self, tps: Sequence[TP]) -> None:
        """Fetch these partitions again."""
        await self._thread.pause(tps, False)

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


class LearningProducer(driver.Producer):  # type: ignore[misc]
    """Faust's producer, which can be told that a topic has new partitions."""

    async def learn_partitions(self, topic: str, count: int) -> None:
        """Ask for metadata until ``count`` partitions of ``topic`` are known.

        Raises
        ------
        ServiceError
            When the broker does not show them.
        """
        producer = self._ensure_producer()
        try:
            async with asyncio.timeout(LEARN_SECONDS):
                while len(await producer.partitions_for(topic)) < count:
                    await producer.client.force_metadata_update()
                    await asyncio.sleep(0.1)
        except (KafkaError, TimeoutError) as error:
            raise ServiceError(
                f"topic {topic} shows fewer than {count} partitions ({error!r}): add them with "
                "`kafka-topics.sh --alter`, and start the worker again"
            ) from error


class BatchTransport(driver.Transport):  # type: ignore[misc]
    """Faust's aiokafka transport with the batch consumer."""

    Consumer = BatchConsumer
    Producer = LearningProducer


class BatchApp(faust.App):  # type: ignore[misc]
    """A Faust app over the batch transport; ``failure`` is why its worker stopped itself."""

    failure: Exception | None = None
    shell: Any
    """What drives the role of this worker."""

    def _create_directories(self) -> None:
        """Make no folders: without tables on disk Faust writes nothing."""

    def _new_transport(self) -> BatchTransport:
        return BatchTransport(self.conf.broker_consumer, self)


class RawBatches(faust.Schema):  # type: ignore[misc]
    """The schema of topics read by the batch transport: batches pass through as they are."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> None:
        """Return nothing: keys mean nothing to ingest."""

    def loads_value(self, app: Any, message: Any, **_: Any) -> Fetched:
        """Return what was fetched."""
        fetched: Fetched = message.value
        return fetched


def _join(fetched: list[Any]) -> Batch:
    """Return one batch of all that a fetch brought, in either form of the reader."""
    batches = fetched if isinstance(fetched[0], RecordBatch) else [RecordBatch.of(fetched)]
    values = [value for batch in batches for value in batch.values]
    return Batch(np.concatenate([batch.offsets for batch in batches]), values)


def _message(tp: TP, fetched: Fetched, generation: int) -> ConsumerMessage:
    return ConsumerMessage(
        tp.topic,
        tp.partition,
        int(fetched.batch.offsets[0]),
        0.0,
        0,
        (),
        None,
        fetched,
        None,
        0,
        0,
        tp,
        generation_id=generation,
    )
