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
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import TopicAuthorizationFailedError
from click_settings import click_settings
from kafka import KafkaConsumer, TopicPartition
from live import PATIENCE_SECONDS, Live, live

from tidecast.state.errors import CheckpointError
from tidecast.streams import checkpoints
from tidecast.streams.checkpoints import TRIM_EVERY, Checkpoint, CheckpointLog, Owner
from tidecast.streams.sender import Sender
from tidecast.streams.shelf import CHUNK_BYTES, to_records
from tidecast.tools.main import run

SETTINGS = click_settings()
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
        key = OWNER.name.encode()
        await sender.send(topic, manifest.value.replace(b'"position":6', b'"position":9'), key, 0)
        torn = to_records(OWNER.name, pipeline.settings.fingerprint(), Checkpoint(7, b"torn"))
        await sender.send(topic, torn[-1][1], key, 0)
        await sender.send(topic, b"a chunk without one", key + b"/99-abc/0", 0)
        await sender.delivered()

    with caplog.at_level(logging.WARNING, "tidecast"):
        assert done(pipeline, write) == Checkpoint(6, b"soon damaged")
    assert "lacks bytes, or they were changed" in caplog.text
    assert "a manifest cannot be read" in caplog.text


ADDED = '[[series]]\nname = "views"\nstream = "click"\naggregate = "count"\n'
KEY = "TIDECAST_CHECKPOINTS__KEY"
OURS, THEIRS = "a-key-of-our-own-workers", "a-key-of-somebody-else"


@pytest.fixture
def signed(pipeline: Live, monkeypatch: pytest.MonkeyPatch) -> Live:
    """A pipeline of which the topic holds a checkpoint signed with OURS."""
    monkeypatch.setenv(KEY, OURS)

    async def write(log: CheckpointLog, sender: Sender) -> None:
        await log.write(sender, OWNER, Checkpoint(5, b"ours"))

    assert done(pipeline, write) == Checkpoint(5, b"ours")
    return pipeline


def test_who_has_no_key_writes_nothing_that_counts(
    signed: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def forge(log: CheckpointLog, sender: Sender) -> None:
        for key in (THEIRS, ""):
            monkeypatch.setenv(KEY, key)
            await CheckpointLog(signed.settings).write(sender, OWNER, Checkpoint(9, b"forged"))
        monkeypatch.setenv(KEY, OURS)

    assert done(signed, forge) == Checkpoint(5, b"ours")


@pytest.mark.parametrize(
    ("key", "remedy"), [(THEIRS, "TIDECAST_CHECKPOINTS__FORMER_KEY"), ("", f"set {KEY}")]
)
def test_no_command_reads_what_it_has_not_the_key_of(
    signed: Live,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    key: str,
    remedy: str,
) -> None:
    log, before, after = (tmp_path / name for name in ("log.ndjson", "old.toml", "new.toml"))
    log.write_text("")
    before.write_text(signed.settings_path.read_text())
    after.write_text(before.read_text().replace("[[series]]", f"{ADDED}[[series]]"))
    monkeypatch.setenv(KEY, key)
    for path, *arguments in (
        (before, "topics", "trim", "--dry-run"),
        (before, "replay", str(log), "--into-checkpoint"),
        (after, "migrate", "--from", str(before)),
    ):
        assert run(["--settings", str(path), *arguments]) == 5, arguments
        said = capsys.readouterr()
        assert remedy in said.err
        assert not [secret for secret in (OURS, THEIRS) if secret in said.out + said.err]
    worker = signed.start("forecast")
    assert worker.process.wait(PATIENCE_SECONDS) == 5
    assert remedy in worker.log.read_text()
    assert run(["--settings", str(before), "doctor"]) == 4
    assert remedy in capsys.readouterr().out


def beginning(pipeline: Live) -> int:
    """Return the first offset that OWNER's partition still has."""
    consumer = KafkaConsumer(bootstrap_servers=pipeline.bootstrap)
    place = TopicPartition(pipeline.topics.checkpoints, OWNER.partition)
    try:
        first: int = consumer.beginning_offsets([place])[place]
        return first
    finally:
        consumer.close()


def test_old_checkpoints_are_deleted_but_for_the_last_ones(pipeline: Live) -> None:
    async def write(log: CheckpointLog, sender: Sender) -> None:
        await log.read([OWNER])
        for position in range(TRIM_EVERY + 1):
            await log.write(sender, OWNER, Checkpoint(position, b"state"))

    assert done(pipeline, write) == Checkpoint(TRIM_EVERY, b"state")
    assert beginning(pipeline) == 2 * (TRIM_EVERY - 2)


def test_large_checkpoints_are_deleted_sooner(
    pipeline: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "TRIM_BYTES", 3_000_000)

    async def write(log: CheckpointLog, sender: Sender) -> None:
        for position in range(5):
            await log.write(sender, OWNER, Checkpoint(position, bytes(1_000_000)))

    assert done(pipeline, write) == Checkpoint(4, bytes(1_000_000))
    assert beginning(pipeline) == 3  # two chunks and a manifest each


def test_a_writer_that_slept_deletes_nothing_newer_than_it_knows(pipeline: Live) -> None:
    async def write(log: CheckpointLog, sender: Sender) -> None:
        await log.read([OWNER])
        await log.write(sender, OWNER, Checkpoint(10, b"before it slept"))
        heir = CheckpointLog(pipeline.settings)
        await heir.read([OWNER])
        for position in (50, 60):
            await heir.write(sender, OWNER, Checkpoint(position, b"the heir's"))
        for position in range(11, 11 + TRIM_EVERY):
            await log.write(sender, OWNER, Checkpoint(position, b"a writer that slept"))

    assert done(pipeline, write) == Checkpoint(60, b"the heir's")
    assert beginning(pipeline) == 2


class SleepingSender(Sender):
    """Falls asleep before it sends a manifest."""

    def __init__(self, awake: Sender) -> None:
        super().__init__(awake._app)
        self.sleeps, self.wakes = asyncio.Event(), asyncio.Event()

    async def send(self, topic: str, value: bytes, *rest: Any, **options: Any) -> Any:
        if value.startswith(b"{"):
            self.sleeps.set()
            await self.wakes.wait()
        return await super().send(topic, value, *rest, **options)


def test_a_writer_that_sleeps_between_chunks_and_manifest_takes_nobody_back(
    pipeline: Live,
) -> None:
    async def write(log: CheckpointLog, sender: Sender) -> None:
        await log.read([OWNER])
        await log.write(sender, OWNER, Checkpoint(10, b"before it slept"))
        sleeper = SleepingSender(sender)
        stale = asyncio.create_task(log.write(sleeper, OWNER, Checkpoint(20, b"a half one")))
        await sleeper.sleeps.wait()
        heir = CheckpointLog(pipeline.settings)
        assert (await heir.read([OWNER]))[OWNER] == Checkpoint(10, b"before it slept")
        for position in range(30, 30 + TRIM_EVERY):
            await heir.write(sender, OWNER, Checkpoint(position, b"the heir's"))
        sleeper.wakes.set()
        await stale
        for position in range(21, 21 + TRIM_EVERY):
            await log.write(sender, OWNER, Checkpoint(position, b"a writer that slept"))

    newest = 30 + TRIM_EVERY - 1
    assert done(pipeline, write) == Checkpoint(newest, b"the heir's")


def test_what_was_carried_over_to_other_settings_goes_on(pipeline: Live) -> None:
    async def write(log: CheckpointLog, sender: Sender) -> None:
        await log.write(sender, OWNER, Checkpoint(5, b"state"))
        path = pipeline.settings_path
        path.write_text(path.read_text() + "[forecast]\nhorizon = 5\n")
        migrated = CheckpointLog(pipeline.settings)
        await migrated.write(sender, OWNER, Checkpoint(5, b"migrated state"))

    assert done(pipeline, write) == Checkpoint(5, b"migrated state")


def test_a_topic_that_may_not_be_deleted_from_grows_and_says_so(
    pipeline: Live, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: Any, **__: Any) -> None:
        raise TopicAuthorizationFailedError(pipeline.topics.checkpoints)

    monkeypatch.setattr(AIOKafkaAdminClient, "delete_records", refuse)

    async def write(log: CheckpointLog, sender: Sender) -> None:
        for position in range(TRIM_EVERY + 1):
            await log.write(sender, OWNER, Checkpoint(position, b"state"))

    with caplog.at_level(logging.WARNING, "tidecast"):
        assert done(pipeline, write) == Checkpoint(TRIM_EVERY, b"state")
    assert "could not be deleted, and pile up" in caplog.text


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
