"""A live run that was recorded is repeated bit for bit, whatever happened to its workers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from live import Live, live, wait_until
from outputs import compare

from tidecast.state.cuts import END_OF_LOG
from tidecast.streams.recording import Recorded

SETTINGS = """
[bins]
width = "1m"
[[sources]]
name = "clicks"
topic = "{prefix}clicks"
stream = "click"
max_disorder = "5s"
allowed_lateness = "3m"
idle_timeout = "2s"
[[series]]
name = "traffic"
stream = "click"
aggregate = "count"
[forecast]
horizon = 3
"""
START = 1_769_860_800  # 2026-01-31T12:00:00Z
MINUTE = 60


def click(second: float, region: str) -> bytes:
    """Return an event so many seconds after START."""
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(START + second))
    fields = {"event_time": f"{at}Z", "region": region, "category": "books", "kind": "view"}
    return json.dumps(fields | {"value": 1}).encode()


def minutes(first: int, last: int, region: str = "north") -> list[bytes]:
    """Return six events of each minute from ``first`` to before ``last``."""
    return [click(s, region) for s in range(first * MINUTE, last * MINUTE, 10)]


@pytest.fixture
def pipeline(kafka_bootstrap: str, topic_prefix: str, tmp_path: Path) -> Iterator[Live]:
    """A pipeline of one source with two partitions, without a worker yet."""
    with live(tmp_path, kafka_bootstrap, topic_prefix, SETTINGS, {}) as pipeline:
        pipeline.command("topics", "create", "--partitions", "2")
        yield pipeline


def send(pipeline: Live, partitions: dict[int, list[bytes]]) -> None:
    """Send records to partitions of the source topic, one after another."""
    producer = KafkaProducer(bootstrap_servers=pipeline.bootstrap, acks="all")
    topic = pipeline.settings.sources[0].topic
    try:
        for partition, values in partitions.items():
            for value in values:
                producer.send(topic, value, partition=partition)
        producer.flush(60)
    finally:
        producer.close()


def add_partition(pipeline: Live, count: int) -> None:
    topic = pipeline.settings.sources[0].topic
    admin = KafkaAdminClient(bootstrap_servers=pipeline.bootstrap)
    try:
        admin.create_partitions({topic: count})
    finally:
        admin.close()

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
    send(pipeline, {1: [b"broken", *minutes(1, 9, "south")], 0: minutes(7, 12)})
    pipeline.start("ingest")
    pipeline.start("forecast")
    pipeline.wait(lambda: closed(pipeline) >= 8, "slabs after the restart")
    add_partition(pipeline, 3)
    send(pipeline, {2: minutes(9, 14, "west"), 0: minutes(12, 14), 1: minutes(9, 14, "south")})
    pipeline.wait(
        lambda: any(message["partition"] == 2 for message in inputs(pipeline, "cut")),
        "cuts of the new partition",
    )
    send(pipeline, {n: [*minutes(13, 16), END_OF_LOG] for n in range(3)})
    pipeline.wait(lambda: closed(pipeline) >= 15, "the last slab")
    pipeline.workers["ingest-0"].stop()
    assert len(inputs(pipeline, "idle")) >= 1
    assert {message["partition"] for message in inputs(pipeline, "join")} >= {2}
    pipeline.command("record", str(tmp_path / "kept"), "--until-end")
    told = assert_repeated(pipeline, tmp_path / "kept")
    assert told["windows"] > 16  # with corrections
    assert told["late"] > 0
    assert told["dead-letters"] == 2
