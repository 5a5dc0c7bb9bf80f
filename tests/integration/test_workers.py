"""Live workers on real services: bad input, bad settings, and how their reader reads."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.consumer import fetcher
from click_settings import click_settings
from kafka import KafkaProducer
from live import Live, live

from tidecast.state.cuts import END_OF_LOG
from tidecast.streams import fast_records
from tidecast.streams.fast_records import RecordBatch, whole
from tidecast.tools.services import ClickHouseEndpoint, Endpoints

SETTINGS = click_settings(
    width="1m", horizon=3, max_disorder="5s", allowed_lateness="2m", idle_timeout="1h", max_gap="1d"
)
CODECS = ("gzip", "snappy", "lz4", "zstd", None)


def click(second: float, **changes: Any) -> bytes:
    minute, second = divmod(second, 60)
    fields = {
        "event_time": f"2026-01-31T12:{minute:02.0f}:{second:06.3f}Z",
        "region": "north",
        "category": "books",
        "kind": "view",
        "value": 1,
    }
    return json.dumps(fields | changes).encode()


BAD = {
    "not_json": b"<html>502</html>",
    "not_utf8": b'{"region": "\xff\xfe"}',
    "too_large": click(1, note="x" * 20_000_000),
    "time_out_of_range": click(1, event_time="1970-01-01T00:00:00Z"),
    "time_jump": click(1, event_time="2099-06-01T00:00:00Z"),
    "out_of_range": click(1).replace(b'"value": 1', b'"value": 1e999'),
    "wrong_type": click(1, value="NaN"),
    "bad_name": click(1, region="nor\0th"),
    "unknown_kind": click(1, kind="bought"),
    "missing_field": click(1, category=None),
    "empty": b"",
}


@pytest.fixture
def pipeline(services: Endpoints, topic_prefix: str, tmp_path: Path) -> Iterator[Live]:
    """A pipeline of one source with two partitions, without a worker yet."""
    assert services.kafka is not None
    assert services.clickhouse is not None
    login = services.clickhouse.environment()
    bootstrap = services.kafka.bootstrap
    with live(tmp_path, bootstrap, topic_prefix, SETTINGS, login) as pipeline:
        pipeline.command("topics", "create", "--partitions", "2")
        yield pipeline


def send(pipeline: Live, partitions: dict[int, list[bytes | None]]) -> None:
    """Send records to partitions of the source topic, and wait for their arrival."""
    topic = pipeline.settings.sources[0].topic
    producer = KafkaProducer(
        bootstrap_servers=pipeline.bootstrap, max_request_size=30_000_000, acks="all"
    )
    try:
        futures = [
            producer.send(topic, value, b"key", partition=partition)
            for partition, values in partitions.items()
            for value in values
        ]
        for future in futures:
            future.get(60)
    finally:
        producer.close()


def test_every_bad_record_is_a_dead_letter_and_changes_nothing_else(pipeline: Live) -> None:
    warm = [click(0)] * 6
    good = [click(30 * n) for n in range(1, 12)]
    mixed = [part for pair in zip(BAD.values(), good, strict=True) for part in pair]
    late = click(1, region="late")
    pipeline.start("ingest")
    pipeline.start("forecast")
    send(pipeline, {0: [*warm, *mixed, None, late, END_OF_LOG], 1: [*warm, *good, END_OF_LOG]})
    topics, source = pipeline.topics, pipeline.settings.sources[0].topic
    pipeline.wait_for(topics.dead_letters, len(BAD) + 1)
    pipeline.wait_for(topics.late, 1)
    pipeline.wait_for(topics.windows, 6)
    letters = [json.loads(value) for value in pipeline.values(topics.dead_letters)]
    assert {(letter["topic"], letter["partition"], letter["source"]) for letter in letters} == {
        (source, 0, "clicks")
    }
    found = {
        letter["offset"]: (letter["reason"].partition(":")[0], letter["value"])
        for letter in letters
    }
    expected: dict[int, tuple[str, str | None]] = {
        6 + 2 * n: (code, base64.b64encode(raw).decode())
        for n, (code, raw) in enumerate(BAD.items())
    }
    assert found == expected | {6 + 2 * len(BAD): ("tombstone", None)}
    (too_late,) = [json.loads(value) for value in pipeline.values(topics.late)]
    assert base64.b64decode(too_late["value"]) == late
    assert (too_late["partition"], too_late["offset"]) == (0, 7 + 2 * len(BAD))
    windows = [json.loads(value) for value in pipeline.values(topics.windows)]
    events = {window["bin_start"][11:16]: window["events"] for window in windows}
    assert events.pop("11:59") == 0  # where the first watermark stood
    assert events == {"12:00": 14, "12:01": 4, "12:02": 4, "12:03": 4, "12:04": 4, "12:05": 4}
    assert {region for window in windows for region in window["regions"]} == {"north"}


def test_more_cells_than_the_limit_fall_into_the_overflow_cell(pipeline: Live) -> None:
    path = pipeline.settings_path
    path.write_text(path.read_text() + "[limits]\nmax_cells = 3\n")
    pipeline.start("ingest")
    pipeline.start("forecast")
    many = [click(10, region=f"r{n:03}") for n in range(100)]
    send(pipeline, {0: [*many, END_OF_LOG], 1: [END_OF_LOG]})
    topics = pipeline.topics
    pipeline.wait_for(topics.windows, 1)
    (window,) = (json.loads(value) for value in pipeline.values(topics.windows))
    assert dict(zip(window["regions"], window["values"][0], strict=True)) == {
        "r000": 1,
        "r001": 1,
        "r002": 1,
        "(overflow)": 97,
    }


async def produce(bootstrap: str, topic: str) -> None:
    """Write a topic in every codec, with small and large batches and an aborted transaction."""
    for number, codec in enumerate(CODECS):
        producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap, compression_type=codec, linger_ms=50
        )
        await producer.start()
        try:
            for size in (1, 2, 300):
                sent = [
                    await producer.send(topic, b"%d-%d-%d" % (number, size, n), b"k", partition=0)
                    for n in range(size)
                ]
                await asyncio.gather(*sent)
        finally:
            await producer.stop()
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=f"{topic}-x")
    await producer.start()
    try:
        for number, keep in enumerate((True, False, True)):
            await producer.begin_transaction()
            for n in range(20):
                await producer.send(topic, b"t-%d-%d" % (number, n), partition=0)
            await (producer.commit_transaction() if keep else producer.abort_transaction())
    finally:
        await producer.stop()


async def read(
    bootstrap: str, topic: str, start: int, last: int, **options: Any
) -> list[tuple[int, bytes | None]]:
    """Return (offset, value) of the records from ``start`` to ``last``."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        isolation_level="read_committed",
        max_partition_fetch_bytes=2_000,
        **options,
    )
    await consumer.start()
    found: list[tuple[int, bytes | None]] = []
    try:
        place = TopicPartition(topic, 0)
        consumer.assign([place])
        consumer.seek(place, start)
        while not found or found[-1][0] < last:
            for record in (await consumer.getmany(place, timeout_ms=1_000)).get(place, []):
                if isinstance(record, RecordBatch):
                    found += zip(record.offsets.tolist(), record.values, strict=True)
                else:
                    found.append((record.offset, record.value))
    finally:
        await consumer.stop()
    return found


def test_whole_batches_hold_what_record_by_record_reading_gives(
    pipeline: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetcher, "PartitionRecords", fast_records.PLAIN)
    monkeypatch.setattr(fetcher, "FetchResult", fast_records.PLAIN_RESULT)
    monkeypatch.setattr(fast_records, "MOST_BYTES", 1_000)
    bootstrap, topic = pipeline.bootstrap, pipeline.settings.sources[0].topic

    async def compare() -> None:
        await produce(bootstrap, topic)
        committed = len(CODECS) * 303 + 40
        plain = await read(bootstrap, topic, 0, committed + 20 + 1)
        assert len(plain) == committed
        assert fast_records.install()
        last = plain[-1][0]
        assert await read(bootstrap, topic, 0, last, value_deserializer=whole) == plain
        assert await read(bootstrap, topic, 0, last) == plain  # who does not ask gets records
        for start in (1, 2, 150, 303 + 77, 5 * 303 + 10, last):
            middle = [(offset, value) for offset, value in plain if offset >= start]
            found = await read(bootstrap, topic, start, last, value_deserializer=whole)
            assert found == middle

    asyncio.run(compare())


def complaint(settings: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """Run the command in a process of its own; return its exit code and what it complains of."""
    ended = subprocess.run(
        [sys.executable, "-m", "tidecast.tools.main", "--settings", str(settings), *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return ended.returncode, ended.stderr


def assert_one_sentence(error: str, *words: str) -> None:
    assert "Traceback" not in error
    assert error.startswith("tidecast: ")
    for word in words:
        assert word in error


def test_wrong_settings_end_a_worker_with_2_and_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "tidecast.toml"
    path.write_text(SETTINGS.replace("{prefix}", "x").replace('"1m"', '"7m"'))
    code, error = complaint(path, "worker", "ingest")
    assert code == 2
    assert_one_sentence(error, "bins.width = '7m'", "divide a day")


@pytest.mark.parametrize("role", ["ingest", "forecast", "sink"])
def test_a_dead_broker_ends_a_worker_with_4_and_a_sentence(tmp_path: Path, role: str) -> None:
    path = tmp_path / "tidecast.toml"
    path.write_text(SETTINGS.replace("{prefix}", "x"))
    code, error = complaint(path, "worker", role, TIDECAST_KAFKA__BOOTSTRAP="127.0.0.1:1")
    assert code == 4
    assert_one_sentence(error, "127.0.0.1:1")


@pytest.mark.parametrize("role", ["ingest", "forecast", "sink", "all"])
def test_a_missing_topic_ends_a_worker_with_4_and_its_name(
    kafka_bootstrap: str, topic_prefix: str, tmp_path: Path, role: str
) -> None:
    path = tmp_path / "tidecast.toml"
    path.write_text(SETTINGS.replace("{prefix}", topic_prefix))
    code, error = complaint(path, "worker", role, TIDECAST_KAFKA__BOOTSTRAP=kafka_bootstrap)
    assert code == 4
    assert_one_sentence(error, f"topic {topic_prefix}clicks does not exist", "topics create")


def test_a_wrong_password_of_clickhouse_ends_the_sink_with_4_and_a_sentence(
    pipeline: Live, clickhouse_server: ClickHouseEndpoint
) -> None:
    code, error = complaint(
        pipeline.settings_path, "worker", "sink", TIDECAST_CLICKHOUSE__PASSWORD="wr0ng-secret"
    )
    assert code == 4
    assert_one_sentence(error, str(clickhouse_server.port))
    assert "wr0ng-secret" not in error
    assert clickhouse_server.password not in error


def test_what_other_settings_left_stops_a_worker_with_the_way_out(pipeline: Live) -> None:
    ingest = pipeline.start("ingest")
    send(pipeline, {0: [click(0)] * 6, 1: [END_OF_LOG]})
    pipeline.wait_for(pipeline.topics.cuts, 1)
    pipeline.wait_for(pipeline.topics.checkpoints, 4)  # two partitions: a chunk and a manifest each
    assert ingest.stop() == 0
    path = pipeline.settings_path
    path.write_text(path.read_text().replace("horizon = 3", "horizon = 4"))
    for role, expected in (("forecast", 6), ("ingest", 5)):
        code, error = complaint(path, "worker", role)
        assert code == expected
        assert_one_sentence(error, "under other settings", "choose another kafka.topic_prefix")
        assert error.count("\n") == 1
