"""A live run that was recorded is repeated bit for bit, whatever happened to its workers."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from click_settings import click_settings
from clicks import MINUTE, START, minutes
from kafka import KafkaAdminClient, TopicPartition
from live import Live, Worker, live, wait_until
from outputs import compare

from tidecast.state.cuts import END_OF_LOG, Cut, InputMessage, PartitionList
from tidecast.streams.checkpoints import Checkpoint, CheckpointLog, Owner
from tidecast.streams.outbox import outbox
from tidecast.streams.recording import Recorded, Recording
from tidecast.streams.wire import encode_input
from tidecast.tools.main import run

SETTINGS = click_settings(
    width="1m", horizon=3, max_disorder="5s", allowed_lateness="3m", idle_timeout="2s"
)


@pytest.fixture
def pipeline(kafka_bootstrap: str, topic_prefix: str, tmp_path: Path) -> Iterator[Live]:
    """A pipeline of one source with two partitions, without a worker yet."""
    with live(tmp_path, kafka_bootstrap, topic_prefix, SETTINGS, {}) as pipeline:
        pipeline.command("topics", "create", "--partitions", "2")
        yield pipeline


def send(pipeline: Live, partitions: dict[int, list[bytes]]) -> None:
    """Send records to partitions of the source topic, one after another."""
    for partition, values in partitions.items():
        pipeline.send(pipeline.source_topic, values, partition)


@contextmanager
def administrator(pipeline: Live) -> Iterator[KafkaAdminClient]:
    with closing(KafkaAdminClient(bootstrap_servers=pipeline.bootstrap)) as admin:
        yield admin


def add_partition(pipeline: Live, count: int) -> None:
    topic = pipeline.source_topic
    with administrator(pipeline) as admin:
        admin.create_partitions({topic: count})

    def is_there() -> bool:
        try:
            send(pipeline, {count - 1: [b"first"]})
        except AssertionError:
            return False
        return True

    wait_until(is_there, "the new partition")


def inputs(pipeline: Live, kind: str) -> list[dict[str, Any]]:
    """Return the messages of one type in the forecaster's input log."""
    found = [json.loads(value) for value in pipeline.values(pipeline.topics.cuts)]
    return [message for message in found if message["type"] == kind]


def closed(pipeline: Live) -> int:
    """Return the last minute after START that has a slab."""
    windows = [json.loads(value)["bin"] for value in pipeline.values(pipeline.topics.windows)]
    return max(windows, default=0) - START // MINUTE


def recorder(pipeline: Live, folder: Path) -> Worker:
    """Start to record beside the workers, which it is stopped with."""
    log = folder.with_name(f"recorder-{time.monotonic_ns()}.log")
    command = [sys.executable, "-m", "tidecast.tools.main"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--settings", str(pipeline.settings_path), "record", str(folder)],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    pipeline.workers["recorder"] = Worker("recorder", process, log)
    return pipeline.workers["recorder"]


def assert_repeated(pipeline: Live, folder: Path) -> dict[str, int]:
    """Compare all that was written with what the recording gives; return how much was told."""
    settings = pipeline.settings
    compared = compare(settings, Recorded(settings, folder).records(), pipeline.bootstrap)
    assert [result for result in compared if not result.is_same] == []
    prefix = settings.kafka.topic_prefix
    return {result.topic.removeprefix(f"{prefix}."): result.told for result in compared}


def test_a_run_with_idle_killed_and_joining_partitions_is_repeated_byte_for_byte(
    pipeline: Live, tmp_path: Path
) -> None:
    beside = tmp_path / "beside"
    recording = recorder(pipeline, beside)
    ingest, forecast = pipeline.start("ingest"), pipeline.start("forecast")
    send(pipeline, {0: minutes(0, 8)})
    pipeline.wait(lambda: closed(pipeline) >= 5, "slabs beside an idle partition")
    checkpoints = pipeline.topics.checkpoints
    pipeline.wait(
        lambda: b"forecast/0" in {record.key for record in pipeline.records(checkpoints)},
        "a checkpoint of the forecaster",
    )
    ingest.kill()
    forecast.kill()
    assert recording.stop() == 0
    assert Recording(beside).cuts.pieces()[-1].end > 5
    recording = recorder(pipeline, beside)
    send(pipeline, {1: [b"broken", *minutes(1, 9, "south")], 0: minutes(7, 12)})
    pipeline.start("ingest")
    pipeline.start("forecast")
    pipeline.wait(lambda: closed(pipeline) >= 8, "slabs after the restart")
    recording.kill()
    add_partition(pipeline, 3)
    send(pipeline, {2: minutes(9, 14, "west"), 0: minutes(12, 14), 1: minutes(9, 14, "south")})
    recording = recorder(pipeline, beside)
    pipeline.wait(
        lambda: any(message["partition"] == 2 for message in inputs(pipeline, "cut")),
        "cuts of the new partition",
    )
    send(pipeline, {n: [*minutes(13, 16), END_OF_LOG] for n in range(3)})
    pipeline.wait(lambda: closed(pipeline) >= 15, "the last slab")
    assert recording.stop() == 0
    assert pipeline.workers["ingest-0"].stop() == 0
    assert len(inputs(pipeline, "idle")) >= 1
    assert {message["partition"] for message in inputs(pipeline, "join")} >= {2}
    pipeline.command("record", str(tmp_path / "after"), "--until-end")
    pipeline.command("record", str(beside), "--until-end")
    told = assert_repeated(pipeline, tmp_path / "after")
    assert told["windows"] > 16  # with corrections
    assert told["late"] > 0
    assert told["dead-letters"] == 2
    assert assert_repeated(pipeline, beside) == told
    pipeline.command("replay", str(beside), "--store", str(tmp_path / "store"))


def say(pipeline: Live, *messages: InputMessage) -> None:
    """Write messages to the cuts topic, as workers do."""

    async def write() -> None:
        async with outbox(pipeline.settings.kafka) as sender:
            for message in messages:
                value = encode_input(message, pipeline.settings.fingerprint())
                await sender.send(pipeline.topics.cuts, value, partition=0)

    asyncio.run(write())


def delete_before(pipeline: Live, topic: str, offset: int) -> None:
    with administrator(pipeline) as admin:
        admin.delete_records({TopicPartition(topic, 0): offset})


def complaint(pipeline: Live, folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Return why there can be no recording in ``folder``."""
    arguments = ["--settings", str(pipeline.settings_path), "record", str(folder), "--until-end"]
    capsys.readouterr()
    assert run(arguments) == 3
    return capsys.readouterr().err


def cut(upto: int) -> Cut:
    return Cut("clicks", 0, 5, 5, upto)


def test_what_is_gone_and_cannot_be_repeated_is_refused_by_name(
    pipeline: Live, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    topic = pipeline.source_topic
    say(pipeline, PartitionList((("clicks", 0), ("clicks", 1))), cut(2), cut(12))
    send(pipeline, {0: minutes(0, 2)})
    said = complaint(pipeline, tmp_path / "a", capsys)
    assert f"a cut was made at offset 12 of {topic}/0, which ends at 12" in said
    send(pipeline, {0: minutes(2, 3)})
    pipeline.command("record", str(tmp_path / "b"), "--until-end")
    delete_before(pipeline, topic, 4)
    said = complaint(pipeline, tmp_path / "c", capsys)
    assert "clicks/0 begins at offset 4, but the workers have read it from offset 2" in said
    pipeline.command("record", str(tmp_path / "b"), "--until-end")
    send(pipeline, {0: minutes(3, 5)})
    delete_before(pipeline, topic, 20)
    said = complaint(pipeline, tmp_path / "b", capsys)
    assert f"offsets 18 to 19 of {topic}/0 were deleted before they were recorded" in said
    delete_before(pipeline, pipeline.topics.cuts, 1)
    said = complaint(pipeline, tmp_path / "d", capsys)
    assert f"the first 1 records of topic {pipeline.topics.cuts} were deleted" in said


def test_a_topic_made_anew_ends_a_recording(
    pipeline: Live, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    topic = pipeline.source_topic
    send(pipeline, {0: minutes(0, 2)})
    pipeline.command("record", str(tmp_path / "kept"), "--until-end")
    with administrator(pipeline) as admin:
        admin.delete_topics([topic])
        wait_until(lambda: topic not in admin.list_topics(), "the end of the topic")
    pipeline.command("topics", "create", "--partitions", "2")
    send(pipeline, {0: minutes(0, 9)})
    assert f"topic {topic} was created anew" in complaint(pipeline, tmp_path / "kept", capsys)


def test_what_a_warmed_up_forecaster_began_with_is_kept_or_missed(
    pipeline: Live, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "clicks.ndjson"
    log.write_bytes(b"\n".join(minutes(0, 9)))
    pipeline.command("replay", str(log), "--into-checkpoint", "--store", str(tmp_path / "store"))
    say(pipeline, PartitionList((("clicks", 0), ("clicks", 1))))
    pipeline.command("record", str(tmp_path / "kept"), "--until-end")
    recorded = Recorded(pipeline.settings, tmp_path / "kept")
    assert recorded.fold.slabs.floor == START // MINUTE + 9
    state = recorded.fold.snapshot()

    async def go_on() -> None:
        async with outbox(pipeline.settings.kafka) as sender:
            log = CheckpointLog(pipeline.settings)
            await log.write(sender, Owner.shard(0), Checkpoint(1, state))

    asyncio.run(go_on())
    said = complaint(pipeline, tmp_path / "later", capsys)
    assert (
        "the forecaster began with what a warm-up had learnt, and that checkpoint is gone" in said
    )
