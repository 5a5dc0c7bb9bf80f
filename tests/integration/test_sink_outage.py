"""The sink while ClickHouse is away, hangs or is full: nothing lost, memory bounded."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click_settings import click_settings
from live import Live, Worker, live, wait_until
from outages import RECORD_BYTES, Feed, Watch, template
from stores import OwnClickHouse, own_clickhouse, small_disk

SETTINGS = click_settings()
# Taken out of the environment: workers refuse a variable that is no setting.
OUTAGE_SECONDS = float(os.environ.pop("TIDECAST_OUTAGE_SECONDS", "60"))
MOST_GROWTH = 144 * 2**20  # bytes of memory
DISK_MEGABYTES = 512  # all rows thrice: merged parts are kept for minutes beside the new ones
LOAD = -(-4 * MOST_GROWTH // RECORD_BYTES)  # records: far more than memory may grow by


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


def wait_for_all(
    pipeline: Live,
    server: OwnClickHouse,
    database: str,
    feed: Feed,
    look: Callable[[], None] = lambda: None,
) -> None:
    """Wait until all that was sent is stored, for as long as it gets on; ``look`` meanwhile."""
    done = -1

    def is_more_done() -> bool:
        look()
        return stored(server, database) > done

    while (done := max(done, stored(server, database))) < feed.sent:
        pipeline.wait(is_more_done, f"more than {done} of {feed.sent} rows")
    (row,) = server.query(f"SELECT count() FROM {database}.predictions FINAL")
    assert row == (feed.sent,)


def store_meanwhile(
    pipeline: Live,
    server: OwnClickHouse,
    database: str,
    sink: Worker,
    feed: Feed,
    fail: Callable[[], None],
    mend: Callable[[], None],
) -> None:
    """Load the sink while its store fails, and then; all is stored once, and memory is bounded."""
    feed.send(5_000)
    wait_for_all(pipeline, server, database, feed)
    watch, begun = Watch(pipeline, sink, feed), feed.sent
    fail()
    feed.send_for(OUTAGE_SECONDS, LOAD, watch.look)
    lag, mended = watch.lag(), time.monotonic()
    assert lag * RECORD_BYTES > 3 * MOST_GROWTH
    assert watch.growth < MOST_GROWTH
    mend()
    wait_for_all(pipeline, server, database, feed, watch.look)
    passed = time.monotonic() - mended
    print(watch.told(f"lag {lag:,} of {feed.sent - begun:,} sent; stored {passed:.0f} s after"))
    assert watch.growth < MOST_GROWTH
    assert sink.stop() == 0


def test_an_outage_loses_nothing_and_memory_stays_bounded(
    pipeline: Live, server: OwnClickHouse, database: str, feed: Feed
) -> None:
    sink = pipeline.start("sink")
    store_meanwhile(pipeline, server, database, sink, feed, server.stop, server.start)
    said = sink.log.read_text()
    assert said.count("waiting for ClickHouse") == 1
    assert said.count("ClickHouse serves again") == 1


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
        feed.send(5_000)
    else:
        server.stop()
        feed.send(5_000)
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
    feed.send(5_000)
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


def test_a_full_disk_loses_nothing_and_memory_stays_bounded(
    kafka_bootstrap: str, topic_prefix: str, tmp_path: Path, database: str
) -> None:
    with (
        small_disk(tmp_path / "disk", megabytes=DISK_MEGABYTES) as disk,
        own_clickhouse(disk / "clickhouse") as server,
        live(
            tmp_path, kafka_bootstrap, topic_prefix, SETTINGS, server.endpoint.environment()
        ) as pipeline,
    ):
        pipeline.command("topics", "create", "--partitions", "2")
        sink, ballast = pipeline.start("sink"), disk / "ballast"

        def fill() -> None:
            left = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
            ballast.write_bytes(bytes(max(0, left - 64 * 1024)))

        with closing(Feed(pipeline)) as feed:
            store_meanwhile(pipeline, server, database, sink, feed, fill, ballast.unlink)
        assert "waiting for ClickHouse" in sink.log.read_text()
