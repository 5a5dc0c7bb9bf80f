"""``tidecast late replay`` on a live run: what came too late is in the store afterwards."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from kafka import KafkaProducer
from live import Live, live

from tidecast.streams.store import Store, open_server
from tidecast.tools.main import run
from tidecast.tools.services import Endpoints

SETTINGS = """
[bins]
width = "1m"
[[sources]]
name = "clicks"
topic = "{prefix}clicks"
stream = "click"
max_disorder = "5s"
allowed_lateness = "2m"
idle_timeout = "3s"
[[series]]
name = "traffic"
stream = "click"
aggregate = "count"
[[series]]
name = "worth"
stream = "click"
aggregate = "mean"
of = "value"
[[series]]
name = "carts"
stream = "click"
aggregate = "count"
kinds = ["cart"]
[[series]]
name = "rate"
aggregate = "ratio"
numerator = "carts"
denominator = "traffic"
[forecast]
horizon = 3
"""
START = 1_769_860_800  # 2026-01-31T12:00:00Z
MINUTE = 60
Values = dict[tuple[int, str], tuple[float, float, float]]  # minute, region -> a value a series


def click(second: float, region: str = "north", kind: str = "view", value: float = 1.0) -> bytes:
    """Return an event so many seconds after START."""
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(START + second))
    fields = {"event_time": f"{at}Z", "region": region, "category": "books"}
    return json.dumps(fields | {"kind": kind, "value": value}).encode()


def minutes(first: int, last: int, region: str = "north") -> list[bytes]:
    """Return six events of each minute from ``first`` to before ``last``."""
    return [click(s, region) for s in range(first * MINUTE, last * MINUTE, 10)]


def recount(sent: Iterable[bytes]) -> Values:
    """Return traffic, worth and rate of each minute and region that has events."""
    found: dict[tuple[int, str], list[tuple[bool, float]]] = defaultdict(list)
    for event in map(json.loads, sent):
        at = time.strptime(event["event_time"], "%Y-%m-%dT%H:%M:%SZ")
        minute = at.tm_hour * MINUTE + at.tm_min - 12 * MINUTE
        found[minute, event["region"]].append((event["kind"] == "cart", event["value"]))
    return {
        key: (
            float(len(events)),
            sum(value for _, value in events) / len(events),
            sum(cart for cart, _ in events) / len(events),
        )
        for key, events in found.items()
    }


def stored(store: Store, upto: int) -> Values:
    """Return the same of the store, before a minute, where there was traffic."""
    rows = store.query(
        "SELECT series, toUnixTimestamp(bin_start), region, value FROM actuals FINAL"
    ).rows
    found: dict[tuple[int, str], dict[str, float]] = defaultdict(dict)
    for series, start, region, value in rows:
        found[(start - START) // MINUTE, region][series] = value
    return {
        key: (values["traffic"], values["worth"], values["rate"])
        for key, values in found.items()
        if values["traffic"] and key[0] < upto
    }


def words(capsys: pytest.CaptureFixture[str]) -> str:
    """Return what was printed, with single spaces."""
    return " ".join(capsys.readouterr().out.split())


def before(minute: int, values: Values) -> Values:
    return {key: value for key, value in values.items() if key[0] < minute}


@pytest.fixture
def pipeline(services: Endpoints, topic_prefix: str, tmp_path: Path) -> Iterator[Live]:
    """All workers at work on a source with two partitions."""
    assert services.kafka is not None
    assert services.clickhouse is not None
    login = services.clickhouse.environment()
    with live(tmp_path, services.kafka.bootstrap, topic_prefix, SETTINGS, login) as pipeline:
        pipeline.command("topics", "create", "--partitions", "2")
        for role in ("ingest", "forecast", "sink"):
            pipeline.start(role)
        yield pipeline


@pytest.fixture
def store(pipeline: Live) -> Iterator[Store]:
    store = open_server(pipeline.settings.clickhouse)
    store.migrate()
    yield store
    store.close()


class Shop:
    """Sends events to the pipeline, and remembers them all."""

    def __init__(self, pipeline: Live, store: Store) -> None:
        self.pipeline, self.store = pipeline, store
        self.sent: list[bytes] = []

    def send(self, partition: int, values: list[bytes]) -> None:
        topic = self.pipeline.settings.sources[0].topic
        producer = KafkaProducer(bootstrap_servers=self.pipeline.bootstrap, acks="all")
        for value in values:
            producer.send(topic, value, b"key", partition=partition).get(60)
        producer.close()
        self.sent += values

    def wait_for_store(self, minute: int) -> None:
        """Wait until the bin of ``minute`` is stored."""
        sql = "SELECT max(toUnixTimestamp(bin_start)) FROM actuals FINAL"
        last = START + minute * MINUTE
        self.pipeline.wait(lambda: self.store.query(sql).rows[0][0] >= last, "bins to be stored")

    def late(self, kind: str) -> int:
        """Return how many records of a kind the late topic has."""
        records = map(json.loads, self.pipeline.values(self.pipeline.topics.late))
        return sum(record.get("type", "late") == kind for record in records)

    def command(self, *arguments: str) -> int:
        return run(["--settings", str(self.pipeline.settings_path), *arguments])


@pytest.fixture
def shop(pipeline: Live, store: Store) -> Shop:
    return Shop(pipeline, store)


def test_late_events_are_folded_in_once_and_later_ones_after_them(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.send(0, minutes(0, 12))
    shop.send(1, minutes(0, 12, "south"))
    shop.send(0, [click(120, kind="cart", value=4.0), click(125, "east"), click(300, value=2.0)])
    shop.send(0, minutes(12, 14))
    shop.send(1, minutes(12, 14, "south"))
    shop.wait_for_store(12)
    shop.pipeline.wait(lambda: shop.late("late") == 3, "late events to be told")
    untouched = stored(shop.store, 12)
    assert untouched != before(12, recount(shop.sent))

    assert shop.command("late", "replay", "--dry-run") == 0
    assert stored(shop.store, 12) == untouched
    out = words(capsys)
    assert "2026-01-31T12:02:00Z east books traffic nothing 1" in out
    assert "nothing was written" in out
    assert shop.command("late", "replay") == 0
    assert stored(shop.store, 12) == before(12, recount(shop.sent))
    assert shop.command("late", "replay") == 0
    assert "nothing to fold" in words(capsys)
    assert shop.command("verify", "--kafka") == 0
    assert "with late events folded in 2" in words(capsys)

    shop.send(0, [click(130, value=9.0), click(360)])
    shop.pipeline.wait(lambda: shop.late("late") == 5, "more late events to be told")
    assert shop.command("verify", "--kafka") == 0
    assert shop.command("late", "replay") == 0
    assert stored(shop.store, 12) == before(12, recount(shop.sent))
    assert shop.command("verify", "--kafka") == 0
