"""Read topics from their beginning to where they end now, quickly, outside any group."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from tidecast.state.errors import ServiceError
from tidecast.state.settings import KafkaSettings
from tidecast.streams.clients import aiokafka_options
from tidecast.streams.reach import obstacle
from tidecast.streams.topics import partition_counts

__all__ = ["Span", "TopicReader"]

FETCH_RECORDS = 20_000
FETCH_BYTES = 8 << 20
PARTITION_BYTES = 2 << 20
POLL_MS = 500
T = TypeVar("T")
Span = tuple[int, int]
"""The first offset there is, and the one after the last."""


class TopicReader:
    """A consumer that only looks; used in one thread, and closed by ``with``.

    Raises
    ------
    ServiceError
        When there is no broker, or it refuses.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._loop = asyncio.new_event_loop()
        self._consumer: Any = None

    def __enter__(self) -> Self:
        self._consumer = self._wait(self._connected())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if self._consumer is not None:
                self._loop.run_until_complete(self._closed(self._consumer))
        finally:
            self._loop.close()

    def spans(self, topics: Iterable[str]) -> dict[str, dict[int, Span]]:
        """Return what each partition of ``topics`` holds now."""
        spans: dict[str, dict[int, Span]] = {}
        for topic, count in partition_counts(self._settings, topics).items():
            places = [TopicPartition(topic, number) for number in range(count)]
            ends = self._wait(self._consumer.end_offsets(places))
            firsts = self._wait(self._consumer.beginning_offsets(places))
            spans[topic] = {place.partition: (firsts[place], ends[place]) for place in places}
        return spans

    def committed(self, group: str) -> dict[tuple[str, int], int]:
        """Return the offsets that ``group`` has committed, by topic and partition."""
        offsets = self._wait(self._committed(group))
        return {(place.topic, place.partition): found.offset for place, found in offsets.items()}

    def read(
        self, topic: str, spans: dict[int, Span]
    ) -> Iterator[tuple[int, list[int], list[bytes | None]]]:
        """Yield (partition, offsets, records) of what ``spans`` reach, in order by partition."""
        places = {TopicPartition(topic, n): span for n, span in spans.items() if span[0] < span[1]}
        self._wait(self._go_to({place: first for place, (first, _) in places.items()}))
        while places:
            fetched = self._wait(
                self._consumer.getmany(*places, timeout_ms=POLL_MS, max_records=FETCH_RECORDS)
            )
            for place, records in fetched.items():
                inside = [record for record in records if record.offset < places[place][1]]
                offsets = [record.offset for record in inside]
                yield place.partition, offsets, [record.value for record in inside]
            places = {p: span for p, span in places.items() if self._position(p) < span[1]}

    def last(self, topic: str, span: Span) -> bytes | None:
        """Return the last record of partition 0, None where there is none."""
        first, end = span
        found: bytes | None = None
        for _, _, records in self.read(topic, {0: (max(first, end - 5), end)}):
            found = records[-1] if records else found  # transactions leave gaps
        return found

    def _position(self, place: TopicPartition) -> int:
        return int(self._wait(self._consumer.position(place)))

    async def _go_to(self, positions: dict[TopicPartition, int]) -> None:
        """Read from ``positions`` on; the client wants to be told so inside the loop."""
        self._consumer.assign(list(positions))
        for place, position in positions.items():
            self._consumer.seek(place, position)

    async def _connected(self) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(
            **aiokafka_options(self._settings),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            fetch_max_bytes=FETCH_BYTES,
            max_partition_fetch_bytes=PARTITION_BYTES,
        )
        try:
            await consumer.start()
        except BaseException:
            await consumer.stop()
            raise
        return consumer

    async def _closed(self, consumer: Any) -> None:
        """Close the consumer, which may have lost its connection while nobody let it work."""
        with suppress(KafkaError, asyncio.CancelledError):
            await consumer.stop()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _committed(self, group: str) -> dict[TopicPartition, Any]:
        admin = AIOKafkaAdminClient(**aiokafka_options(self._settings))
        try:
            await admin.start()
            return dict(await admin.list_consumer_group_offsets(group))
        finally:
            await admin.close()

    def _wait(self, work: Awaitable[T]) -> T:
        try:
            return self._loop.run_until_complete(work)
        except KafkaError as error:
            raise ServiceError(
                obstacle(self._settings)
                or f"Kafka at {self._settings.bootstrap} refuses to be read: {error}"
            ) from error
