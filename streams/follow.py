"""Follow a topic from its tail on, outside any consumer group."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from tidecast.state.settings import KafkaSettings
from tidecast.streams.clients import aiokafka_options
from tidecast.streams.topics import partition_counts

__all__ = ["Fetched", "follow"]

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
    counts = await asyncio.to_thread(partition_counts, settings, [topic])
    places = [TopicPartition(topic, number) for number in range(counts[topic])]
    async with _reader(settings, places, back) as consumer:
        while True:
            fetched = await consumer.getmany(timeout_ms=POLL_MS, max_records=BATCH_RECORDS)
            yield [await _taken(consumer, *each) for each in fetched.items()]


async def _taken(consumer: Any, place: TopicPartition, records: Sequence[Any]) -> Fetched:
    highest = consumer.highwater(place)
    is_last = highest is None or records[-1].offset + 1 >= highest
    return Fetched(place.partition, [record.value for record in records], is_last)


@asynccontextmanager
async def _reader(
    settings: KafkaSettings, places: Sequence[TopicPartition], back: int
) -> AsyncIterator[Any]:
    consumer = AIOKafkaConsumer(
        **aiokafka_options(settings),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    try:
        await consumer.start()
        consumer.assign(places)
        begins = await consumer.beginning_offsets(places)
        ends = await consumer.end_offsets(places)
        for place in places:
            consumer.seek(place, max(begins[place], ends[place] - back))
        yield consumer
    finally:
        await consumer.stop()
