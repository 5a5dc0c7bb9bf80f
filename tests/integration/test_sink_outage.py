"""The sink while ClickHouse is away, hangs or is full: nothing lost, memory bounded."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from kafka import KafkaProducer
from live import Live, live, wait_until
from stores import OwnClickHouse, memory_bytes, own_clickhouse, small_disk

from tidecast.streams.schemas.records import PredictionRecord

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
OUTAGE_SECONDS = float(os.environ.get("TIDECAST_OUTAGE_SECONDS", "20"))
RECORDS_PER_SECOND = 6_000
MOST_GROWTH = 300 * 2**20  # bytes; the load of an outage of 60 s is twice as much, at 2 KB a record
HORIZON = 24
ORIGIN = datetime(2026, 1, 31, 12, tzinfo=UTC)
CELL = "CELL-TO-BE-NAMED"


def template() -> bytes:
    """Return a prediction whose region is still to be named."""
    times = [ORIGIN + timedelta(hours=lead + 1) for lead in range(HORIZON)]
    record = PredictionRecord(
        series="traffic",
        region=CELL,
        category="books",
        origin=ORIGIN,
        valid_time=times,
        mean=[1.5] * HORIZON,
        quantile_levels=[0.1, 0.5, 0.9],
        quantiles=[[1.0, 1.5, 2.0]] * HORIZON,
        weights={"last": [0.5] * HORIZON, "usual": [0.5] * HORIZON},
        revision=0,
    )
    return record.model_dump_json().encode()


class Feed:
    """Writes predictions of ever new regions."""

    def __init__(self, pipeline: Live) -> None:
        self._topic = pipeline.topics.predictions
        self._template = template()
        self._producer = KafkaProducer(
            bootstrap_servers=pipeline.bootstrap, acks="all", compression_type="gzip", linger_ms=50
        )
        self.sent = 0

    def send(self, count: int) -> None:
        for number in range(self.sent, self.sent + count):
            self.send_raw(self._template.replace(CELL.encode(), b"r%d" % number))
        self.sent += count
        self._producer.flush()

    def send_raw(self, value: bytes) -> None:
        self._producer.send(self._topic, value)

    def send_for(self, seconds: float, check: Callable[[], None]) -> None:
        """Send at a steady rate for a while, and ``check`` every second."""
        start = time.monotonic()
        begun = self.sent
        while (passed := time.monotonic() - start) < seconds:
            due = begun + int(RECORDS_PER_SECOND * passed) - self.sent
            self.send(max(due, 0))
            check()
            time.sleep(1.0)

    def close(self) -> None:
        self._producer.close()


@pytest.fixture
def database(topic_prefix: str) -> str:
    return topic_prefix.replace("-", "_")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OwnClickHouse]:
    with own_clickhouse(tmp_path / "clickhouse") as server:
        yield server


@pytest.fixture
def pipeline(
    server: OwnClickHouse, kafka_bootstrap: str, topic_prefix: str, tmp_path: Path
) -> Iterator[Live]:
    login = server.endpoint.environment()
    with live(tmp_path, kafka_bootstrap, topic_prefix, SETTINGS, login) as pipeline:
        pipeline.command("topics", "create", "--partitions", "2")
        yield pipeline


@pytest.fixture
def feed(pipeline: Live) -> Iterator[Feed]:
    feed = Feed(pipeline)
    yield feed
    feed.close()


def stored(server: OwnClickHouse, database: str) -> int:
    """Return how many regions are in the store; none before the sink has made it."""
    if not server.query(f"SELECT 1 FROM system.tables WHERE database = '{database}'"):
        return 0
    (row,) = server.query(f"SELECT uniqExact(region) FROM {database}.predictions")
    return int(row[0])


def wait_for_all(pipeline: Live, server: OwnClickHouse, database: str, feed: Feed) -> None:
    pipeline.wait(lambda: stored(server, database) == feed.sent, f"{feed.sent} rows")
    (row,) = server.query(f"SELECT count() FROM {database}.predictions FINAL")
    assert row == (feed.sent,)


def test_an_outage_loses_nothing_and_memory_stays_bounded(
    pipeline: Live, server: OwnClickHouse, database: str, feed: Feed
) -> None:
    sink = pipeline.start("sink")
    feed.send(50_000)
    wait_for_all(pipeline, server, database, feed)
    before = memory_bytes(sink.process.pid)
    largest = before

    def check() -> None:
        nonlocal largest
        sink.check()
        largest = max(largest, memory_bytes(sink.process.pid))

    server.stop()
    feed.send_for(OUTAGE_SECONDS, check)
    assert largest - before < MOST_GROWTH
    server.start()
    wait_for_all(pipeline, server, database, feed)
    check()
    assert largest - before < MOST_GROWTH
    said = sink.log.read_text()
    assert said.count("waiting for ClickHouse") == 1
    assert said.count("ClickHouse serves again") == 1
    assert sink.stop() == 0


def test_a_sink_started_while_clickhouse_is_away_waits_and_then_works(
    pipeline: Live, server: OwnClickHouse, database: str, feed: Feed
) -> None:
    server.stop()
    feed.send(100)
    sink = pipeline.start("sink")
    wait_until(lambda: "waiting for ClickHouse" in sink.log.read_text(), "its word", sink.check)
    server.start()
    wait_for_all(pipeline, server, database, feed)
    assert sink.stop() == 0


@pytest.mark.parametrize("fault", ["stopped", "hung"])
def test_a_sink_that_waits_stops_in_time_and_the_next_one_stores_the_rest(
    pipeline: Live, server: OwnClickHouse, database: str, feed: Feed, fault: str
) -> None:
    sink = pipeline.start("sink")
    feed.send(1_000)
    wait_for_all(pipeline, server, database, feed)
    if fault == "hung":
        server.freeze()
        feed.send(30_000)
    else:
        server.stop()
        feed.send(30_000)
        wait_until(lambda: "waiting for ClickHouse" in sink.log.read_text(), "its word")
    assert sink.stop() == 0
    if fault == "hung":
        server.thaw()
    else:
        server.start()
    pipeline.start("sink")
    wait_for_all(pipeline, server, database, feed)


def test_partitions_move_to_another_sink_during_an_outage(
    pipeline: Live, server: OwnClickHouse, database: str, feed: Feed
) -> None:
    first = pipeline.start("sink", "a")
    feed.send(1_000)
    wait_for_all(pipeline, server, database, feed)
    server.stop()
    feed.send(30_000)
    wait_until(lambda: "waiting for ClickHouse" in first.log.read_text(), "its word", first.check)
    second = pipeline.start("sink", "b")
    taken = "assigned: {'"
    wait_until(lambda: taken in second.log.read_text(), "partitions", second.check)
    first.kill()
    del pipeline.workers[first.name]
    server.start()
    wait_for_all(pipeline, server, database, feed)


def test_records_that_cannot_be_stored_are_put_aside_and_the_rest_is_stored(
    pipeline: Live, server: OwnClickHouse, database: str, feed: Feed
) -> None:
    broken = b'{"schema_version": 1, "series": "traffic"}'
    unfit = template().replace(b"2026-01-31T12:00:00Z", b"1926-01-31T12:00:00Z")
    assert unfit != template()
    feed.send(500)
    feed.send_raw(broken)
    feed.send(500)
    feed.send_raw(unfit)
    feed.send(500)
    pipeline.start("sink")
    wait_for_all(pipeline, server, database, feed)
    pipeline.wait_for(pipeline.topics.dead_letters, 2)
    letters = [json.loads(value) for value in pipeline.values(pipeline.topics.dead_letters)]
    found = {base64.b64decode(letter["value"]): letter for letter in letters}
    assert set(found) == {broken, unfit}
    records = {r.value: r for r in pipeline.records(pipeline.topics.predictions)}
    for value, letter in found.items():
        place = records[value].partition, records[value].offset
        assert (letter["partition"], letter["offset"]) == place
        assert letter["topic"] == pipeline.topics.predictions
        assert letter["source"] == "sink"
        assert letter["reason"].startswith("not_stored: ")


def test_a_full_disk_loses_nothing(
    kafka_bootstrap: str, topic_prefix: str, tmp_path: Path, database: str
) -> None:
    with (
        small_disk(tmp_path / "disk", megabytes=96) as disk,
        own_clickhouse(disk / "clickhouse") as server,
        live(
            tmp_path, kafka_bootstrap, topic_prefix, SETTINGS, server.endpoint.environment()
        ) as pipeline,
    ):
        pipeline.command("topics", "create", "--partitions", "2")
        sink, feed = pipeline.start("sink"), Feed(pipeline)
        feed.send(2_000)
        wait_for_all(pipeline, server, database, feed)
        ballast = disk / "ballast"
        with ballast.open("wb") as file:
            left = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
            file.write(bytes(max(0, left - 64 * 1024)))
        feed.send(20_000)
        wait_until(lambda: "waiting for ClickHouse" in sink.log.read_text(), "it", sink.check)
        ballast.unlink()
        wait_for_all(pipeline, server, database, feed)
        feed.close()
        assert sink.stop() == 0
