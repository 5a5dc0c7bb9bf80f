"""``tidecast topics trim`` on a real broker: what is needed stays."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from click_settings import click_settings
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import CoordinatorNotAvailableError
from kafka.structs import OffsetAndMetadata
from live import Live, live, wait_until

from tidecast.streams.checkpoints import Checkpoint, CheckpointLog, Owner
from tidecast.streams.outbox import outbox
from tidecast.tools.main import cli

SETTINGS = click_settings()
RECORDS = 10


@pytest.fixture
def pipeline(kafka_bootstrap: str, topic_prefix: str, tmp_path: Path) -> Iterator[Live]:
    """A pipeline whose topics have ten records each in partition 0."""
    with live(tmp_path, kafka_bootstrap, topic_prefix, SETTINGS, {}) as pipeline:
        pipeline.command("topics", "create", "--partitions", "2")
        asyncio.run(_fill(pipeline))
        yield pipeline


async def _fill(pipeline: Live) -> None:
    topics = pipeline.topics
    async with outbox(pipeline.settings.kafka) as sender:
        for name in (topics.cuts, topics.windows, topics.predictions, topics.scores):
            for _ in range(RECORDS):
                await sender.send(name, b"{}", partition=0)


def checkpoint(pipeline: Live, *positions: int) -> None:
    async def write() -> None:
        log = CheckpointLog(pipeline.settings)
        async with outbox(pipeline.settings.kafka) as sender:
            for position in positions:
                await log.write(sender, Owner.shard(0), Checkpoint(position, b"state"))

    asyncio.run(write())


def commit(pipeline: Live, topic: str, offset: int) -> None:
    admin = KafkaAdminClient(bootstrap_servers=pipeline.bootstrap)
    group = f"{pipeline.settings.kafka.group}.sink"

    def is_committed() -> bool:
        try:
            admin.alter_group_offsets(
                group, {TopicPartition(topic, 0): OffsetAndMetadata(offset, "", -1)}
            )
        except CoordinatorNotAvailableError:  # a new broker makes the topic of offsets first
            return False
        return True

    try:
        wait_until(is_committed, "commit an offset")
    finally:
        admin.close()


def trim(pipeline: Live, *options: str) -> str:
    arguments = ["--settings", str(pipeline.settings_path), "topics", "trim", *options]
    done = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert done.exception is None, done.exception
    return done.stdout


def beginnings(pipeline: Live) -> dict[str, int]:
    topics = pipeline.topics
    names = ("cuts", "windows", "predictions", "scores")
    places = {name: TopicPartition(getattr(topics, name), 0) for name in names}
    consumer = KafkaConsumer(bootstrap_servers=pipeline.bootstrap)
    try:
        found = consumer.beginning_offsets(list(places.values()))
        return {name: found[place] for name, place in places.items() if found[place]}
    finally:
        consumer.close()


def test_nothing_goes_before_there_are_two_checkpoints(pipeline: Live) -> None:
    assert "has 0 of 2 checkpoints" in trim(pipeline)
    checkpoint(pipeline, 8)
    assert "has 1 of 2 checkpoints" in trim(pipeline)
    assert beginnings(pipeline) == {}


def test_cuts_go_before_the_second_best_checkpoint_whoever_wrote_last(pipeline: Live) -> None:
    checkpoint(pipeline, 2, 7, 9, 3)
    assert "7 would go" in trim(pipeline, "--dry-run")
    assert beginnings(pipeline) == {}
    assert "7 deleted" in trim(pipeline)
    assert "0 deleted" in trim(pipeline)
    assert beginnings(pipeline) == {"cuts": 7}


def test_what_is_stored_goes_only_where_it_is_named(pipeline: Live) -> None:
    checkpoint(pipeline, 4, 5)
    commit(pipeline, pipeline.topics.windows, 6)
    commit(pipeline, pipeline.topics.predictions, 3)
    said = trim(pipeline, "--stored", "windows", "--stored", "scores")
    assert "the sink has committed nothing" in said
    assert beginnings(pipeline) == {"cuts": 4, "windows": 6}
    trim(pipeline, "--stored", "predictions")
    assert beginnings(pipeline) == {"cuts": 4, "windows": 6, "predictions": 3}
