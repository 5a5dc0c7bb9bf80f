"""Read topics outside any consumer group: one from its tail on, or several from offsets known."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from tidecast.state.settings import KafkaSettings
from tidecast.streams.clients import aiokafka_options
from tidecast.streams.extent import Extent
from tidecast.streams.topics import partition_counts

__all__ = ["POLL_MS", "Fetched", "extents_of", "follow", "read_tails", "reading"]

POLL_MS = 500
BATCH_RECORDS = 100


class Fetched(NamedTuple):
    """Records of a partition, in their order; ``is_last``: none came after them so far."""

    partition: int
    values: Sequence[bytes | None]
    is_last: bool


async def follow(
    settings: KafkaSettings, topic: str, back: int
) -> AsyncGenerator[list[Fetched], None]:
    """Yield what the partitions of ``topic`` have, from the last ``back`` offsets of each on.

    It yields every half a second, nothing where nothing came.

    Raises
    ------
    ServiceError
        When there is no such topic.
    KafkaError
        When the broker is away.
    """
    async with reading(settings, [topic]) as consumer:
        await read_tails(consumer, back)
        while True:
            fetched = await consumer.getmany(timeout_ms=POLL_MS, max_records=BATCH_RECORDS)
            yield [await _taken(consumer, *each) for each in fetched.items()]


async def _taken(consumer: Any, place: TopicPartition, records: Sequence[Any]) -> Fetched:
    highest = consumer.highwater(place)
    is_last = highest is None or records[-1].offset + 1 >= highest
    return Fetched(place.partition, [record.value for record in records], is_last)


@asynccontextmanager
async def reading(settings: KafkaSettings, topics: Iterable[str]) -> AsyncIterator[Any]:
    """Connect a consumer of all partitions of ``topics``, outside any group, at their beginning.

    Raises
    ------
    ServiceError
        When there is no such topic.
    KafkaError
        When the broker is away.
    """
    counts = await asyncio.to_thread(partition_counts, settings, topics)
    places = [TopicPartition(topic, n) for topic, count in counts.items() for n in range(count)]
    consumer = AIOKafkaConsumer(
        **aiokafka_options(settings),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    try:
        await consumer.start()
        consumer.assign(places)
        yield consumer
    finally:
        await consumer.stop()


async def extents_of(consumer: Any) -> dict[TopicPartition, Extent]:
    """Return which offsets the partitions of a ``consumer`` have now."""
    places = consumer.assignment()
    begins = await consumer.beginning_offsets(places)
    ends = await consumer.end_offsets(places)
    return {place: Extent(begins[place], ends[place]) for place in places}


async def read_tails(consumer: Any, back: int) -> None:
    """Let a ``consumer`` go on with the last ``back`` offsets of each partition."""
    for place, extent in (await extents_of(consumer)).items():
        consumer.seek(place, extent.tail(back))
