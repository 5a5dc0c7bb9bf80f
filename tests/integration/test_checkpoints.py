"""Checkpoints in a topic of a real broker: the right one is found, whole or not at all."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from kafka import KafkaConsumer, TopicPartition
from live import Live, live

from tidecast.state.errors import CheckpointError
from tidecast.streams.checkpoints import CHUNK_BYTES, TRIM_EVERY, Checkpoint, CheckpointLog, Owner
from tidecast.streams.sender import Sender

SETTINGS = """
[[sources]]
name = "clicks"
topic = "{prefix}clicks"
stream = "click"
[[series]]
name = "traffic"
stream = "click"
aggregate = "count"
"""
OWNER = Owner.shard(0)


@pytest.fixture
def pipeline(kafka_bootstrap: str, topic_prefix: str, tmp_path: Path) -> Iterator[Live]:
    """A pipeline whose topics exist."""
    with live(tmp_path, kafka_bootstrap, topic_prefix, SETTINGS, {}) as pipeline:
        pipeline.command("topics", "create", "--partitions", "1")
        yield pipeline


class App:
    """As much of a Faust app as a Sender needs."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self.producer = self

    async def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes,
        partition: int | None,
        timestamp: None,
        headers: None,
    ) -> Awaitable[Any]:
        return await self._producer.send(topic, value, key, partition)


@asynccontextmanager
async def sending(pipeline: Live) -> AsyncIterator[Sender]:
    producer = AIOKafkaProducer(
        bootstrap_servers=pipeline.bootstrap, max_request_size=2 * CHUNK_BYTES
    )
    await producer.start()
    try:
        yield Sender(App(producer))
    finally:
        await producer.stop()


def done(
    pipeline: Live, work: Callable[[CheckpointLog, Sender], Awaitable[None]]
) -> Checkpoint | None:
    """Do ``work`` with one log of checkpoints, and return what another one finds of OWNER."""

    async def whole() -> Checkpoint | None:
        async with sending(pipeline) as sender:
            await work(CheckpointLog(pipeline.settings), sender)
        return (await CheckpointLog(pipeline.settings).read([OWNER])).get(OWNER)

    return asyncio.run(whole())


def test_an_owner_without_a_checkpoint_is_found_nothing_of(pipeline: Live) -> None:
    async def nothing(log: CheckpointLog, sender: Sender) -> None:
        assert await log.read([]) == {}

    assert done(pipeline, nothing) is None


def test_a_checkpoint_of_many_chunks_comes_back_whole(pipeline: Live) -> None:
    large = Checkpoint(7, random.Random(1).randbytes(3 * CHUNK_BYTES + 5))

    async def write(log: CheckpointLog, sender: Sender) -> None:
        await log.write(sender, OWNER, Checkpoint(3, b""))
        await log.write(sender, OWNER, large)

    assert done(pipeline, write) == large


def test_the_largest_position_counts_and_not_the_last_written(pipeline: Live) -> None:
    async def write(log: CheckpointLog, sender: Sender) -> None:
        await log.write(sender, OWNER, Checkpoint(50, b"newest"))
        stale = CheckpointLog(pipeline.settings)
        await stale.write(sender, OWNER, Checkpoint(40, b"a writer that slept"))

    assert done(pipeline, write) == Checkpoint(50, b"newest")


def test_what_was_not_completed_or_is_damaged_is_passed_over(
    pipeline: Live, caplog: pytest.LogCaptureFixture
) -> None:
    topic = pipeline.topics.checkpoints

    async def write(log: CheckpointLog, sender: Sender) -> None:
        await log.write(sender, OWNER, Checkpoint(5, b"whole"))
        await log.write(sender, OWNER, Checkpoint(6, b"soon damaged"))
        manifest = pipeline.records(topic)[-1]
        value = manifest.value.replace(b'"position":6', b'"position":9')
        key = OWNER.name.encode()
        await sender.send(topic, value.replace(b'"chunks":1', b'"chunks":2'), key, 0)
        await sender.send(topic, b"no manifest", key, 0)
        await sender.send(topic, b"a chunk without one", key + b"/99-abc/0", 0)
        await sender.delivered()

    with caplog.at_level(logging.WARNING, "tidecast"):
        assert done(pipeline, write) == Checkpoint(6, b"soon damaged")
    assert "damaged: passed over" in caplog.text
    assert "cannot be read: passed over" in caplog.text


def test_old_checkpoints_are_deleted_but_for_the_last_ones(pipeline: Live) -> None:
    async def write(log: CheckpointLog, sender: Sender) -> None:
        for position in range(TRIM_EVERY + 1):
            await log.write(sender, OWNER, Checkpoint(position, b"state"))

    assert done(pipeline, write) == Checkpoint(TRIM_EVERY, b"state")
    consumer = KafkaConsumer(bootstrap_servers=pipeline.bootstrap)
    place = TopicPartition(pipeline.topics.checkpoints, OWNER.partition)
    try:
        assert consumer.beginning_offsets([place])[place] == 2 * (TRIM_EVERY - 2)
    finally:
        consumer.close()


def test_a_checkpoint_of_other_settings_is_refused_with_the_way_out(pipeline: Live) -> None:
    async def write(log: CheckpointLog, sender: Sender) -> None:
        await log.write(sender, OWNER, Checkpoint(5, b"state"))
        path = pipeline.settings_path
        path.write_text(path.read_text() + "[forecast]\nhorizon = 5\n")

    with pytest.raises(CheckpointError, match=r"other settings.*kafka\.topic_prefix"):
        done(pipeline, write)


def test_every_owner_has_a_partition_of_its_own(pipeline: Live) -> None:
    settings = pipeline.settings
    owners = [Owner.shard(0), *(Owner.source(settings, "clicks", n) for n in range(3))]
    assert [owner.partition for owner in owners] == [0, 1, 2, 3]
