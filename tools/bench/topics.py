"""The benchmark's topics: made, filled, and removed again."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from kafka import KafkaAdminClient
from kafka.admin import NewTopic
from kafka.errors import KafkaError

from tidecast.state.errors import ServiceError
from tidecast.tools.bench.records import Record

__all__ = ["create_topics", "delete_topics", "fill"]

BATCH_RECORDS = 1_000  # what a busy producer makes of a 20 ms linger
BATCH_BYTES = 1_048_576
IN_FLIGHT = 64


def create_topics(bootstrap: str, names: Sequence[str], partitions: int) -> None:
    """Make topics whose records are kept whatever their time stamps say.

    The broker stamps each record as it appends it: the last stamp of a contender's output is the
    moment at which its work was done.
    """
    config = {"retention.ms": "-1", "message.timestamp.type": "LogAppendTime"}
    topics = [
        NewTopic(name=name, num_partitions=partitions, replication_factor=1, topic_configs=config)
        for name in names
    ]
    with _Admin(bootstrap) as admin:
        admin.create_topics(topics)


def delete_topics(bootstrap: str, prefix: str) -> None:
    """Remove the topics whose names begin with ``prefix``."""
    with _Admin(bootstrap) as admin:
        if names := [name for name in admin.list_topics() if name.startswith(prefix)]:
            admin.delete_topics(names)


class _Admin:
    """A broker's admin client, with its errors translated."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap

    def __enter__(self) -> Any:
        try:
            self.client = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        except KafkaError as error:
            raise ServiceError(
                f"no Kafka broker answers at {self.bootstrap} ({type(error).__name__}): "
                "start one with `tidecast services up`"
            ) from error
        return self.client

    def __exit__(self, *_: object) -> None:
        self.client.close()


def fill(bootstrap: str, topic: str, records: Iterable[Record]) -> int:
    """Append ``records`` to a topic in batches of a thousand; return how many there were."""
    return asyncio.run(_fill(bootstrap, topic, records))


async def _fill(bootstrap: str, topic: str, records: Iterable[Record]) -> int:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, max_batch_size=BATCH_BYTES)
    await producer.start()
    try:
        return await _send(producer, topic, records)
    finally:
        await producer.stop()


async def _send(producer: Any, topic: str, records: Iterable[Record]) -> int:
    open_batches: dict[int, Any] = defaultdict(producer.create_batch)
    sent: list[asyncio.Future[Any]] = []
    total = 0
    for record in records:
        batch = open_batches[record.partition]
        batch.append(key=record.key, value=record.value, timestamp=record.time_ms)
        total += 1
        if batch.record_count() == BATCH_RECORDS:
            del open_batches[record.partition]
            sent.append(await producer.send_batch(batch, topic, partition=record.partition))
        if len(sent) == IN_FLIGHT:
            await asyncio.gather(*sent)
            sent.clear()
    for partition, batch in open_batches.items():
        sent.append(await producer.send_batch(batch, topic, partition=partition))
    await asyncio.gather(*sent)
    return total
