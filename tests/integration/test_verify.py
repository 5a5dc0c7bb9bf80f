"""``tidecast verify --kafka`` on a live run: clean, and with one thing wrong after another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from clicks import START, click, minutes
from counted import SETTINGS, Shop, words
from kafka import KafkaAdminClient, KafkaProducer
from live import live, wait_until

from tidecast.state.cuts import END_OF_LOG
from tidecast.streams.store import open_server
from tidecast.tools.services import Endpoints

CLEAN = "all is as the log says"


@pytest.fixture
def shop(services: Endpoints, topic_prefix: str, tmp_path: Path) -> Iterator[Shop]:
    """All workers at work on a source with two partitions."""
    assert services.kafka is not None
    assert services.clickhouse is not None
    login = services.clickhouse.environment()
    awake = SETTINGS.replace('idle_timeout = "3s"', 'idle_timeout = "1h"')
    with live(tmp_path, services.kafka.bootstrap, topic_prefix, awake, login) as pipeline:
        pipeline.command("topics", "create", "--partitions", "2")
        for role in ("ingest", "forecast", "sink"):
            pipeline.start(role)
        store = open_server(pipeline.settings.clickhouse)
        store.migrate()
        yield Shop(pipeline, store)
        store.close()


def write(shop: Shop, topic: str, value: bytes) -> None:
    producer = KafkaProducer(bootstrap_servers=shop.pipeline.bootstrap, acks="all")
    producer.send(topic, value).get(60)
    producer.close()


def verdict(shop: Shop, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    capsys.readouterr()
    code = shop.command("verify", "--kafka")
    return code, words(capsys)


def test_a_recount_agrees_and_finds_what_was_tampered_with(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.send(0, minutes(0, 6))
    shop.send(1, minutes(0, 6, "south"))
    assert verdict(shop, capsys)[0] == 0  # whatever the workers have done by now
    shop.pipeline.workers["ingest-0"].kill()
    shop.pipeline.start("ingest")
    shop.send(0, [click(60), *minutes(6, 8), click(100), click(101), END_OF_LOG])
    shop.send(1, [*minutes(6, 8, "south"), b"no json", END_OF_LOG])
    shop.wait_for_store(7)
    code, out = verdict(shop, capsys)
    assert code == 0
    assert CLEAN in out
    assert "late 3 refused 1 not_json 1" in out
    assert "bins compared 9" in out

    shop.tamper(3, "worth", 12345.0)
    code, out = verdict(shop, capsys)
    assert code == 1
    assert "2026-01-31T12:03:00Z north books worth store 1 12345" in out
    assert "cells differ: store 2" in out
    assert "NOT as the log says" in out
    shop.tamper(3, "worth", 1.0)
    assert verdict(shop, capsys)[0] == 0

    topics, source = shop.pipeline.topics, shop.pipeline.settings.sources[0].topic
    late = shop.pipeline.values(topics.late)[0]
    write(shop, topics.late, late)  # as a worker does that was killed
    code, out = verdict(shop, capsys)
    assert code == 0
    assert "rejected sent again 1" in out

    write(shop, topics.windows, b"{no window")
    write(shop, topics.predictions, b'{"schema_version":1}')
    code, out = verdict(shop, capsys)
    assert code == 0
    assert "records of others 2" in out

    origin = {"origin": START + 5 * 60}
    count = "SELECT count() FROM predictions FINAL WHERE origin = toDateTime(%(origin)s)"
    stored = shop.store.query(count, origin).rows[0][0]
    shop.store.query(
        "ALTER TABLE predictions DELETE WHERE series = 'traffic' AND region = 'north' "
        "AND origin = toDateTime(%(origin)s)",
        origin,
    )
    left = stored - 1
    wait_until(lambda: shop.store.query(count, origin).rows[0][0] == left, "the row to be gone")
    code, out = verdict(shop, capsys)
    assert code == 1
    assert "predictions not stored: 2026-01-31T12:05:00Z traffic north/books" in out
    assert "predictions not stored 1" in out

    doubled = json.loads(late) | {"offset": 7}  # an event that is in its slab as well
    write(shop, topics.late, json.dumps(doubled).encode())
    code, out = verdict(shop, capsys)
    assert code == 1
    assert f"rejected, but should be counted: {source}/0 at 7" in out


VIEWS = """
[[series]]
name = "views"
stream = "click"
aggregate = "count"
kinds = ["view"]
"""


def test_it_judges_what_can_be_known_after_other_settings_and_a_topic_made_anew(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.send(0, [*minutes(0, 8), click(60)])
    shop.send(1, minutes(0, 8, "south"))
    shop.wait_for_store(6)
    shop.rest()
    path = shop.pipeline.settings_path
    old = path.rename(path.with_name("old.toml"))
    text = old.read_text().replace('allowed_lateness = "2m"', 'allowed_lateness = "10m"')
    path.write_text(text + VIEWS)
    assert shop.command("migrate", "--from", str(old)) == 0
    assert verdict(shop, capsys)[0] == 0
    shop.pipeline.start("ingest")
    shop.pipeline.start("forecast")
    shop.send(0, [click(200), click(430), *minutes(8, 14)])  # minute 3 was closed for good
    shop.send(1, [*minutes(8, 14, "south"), click(500, "south")])
    shop.wait_for_store(12)
    code, out = verdict(shop, capsys)
    assert code == 0
    assert "late 2" in out
    assert "not judged: series views in bins before 2026-01-31T12:08:00Z: it was added then" in out
    assert "all that can be judged is as the log says" in out
    assert shop.command("late", "replay") == 0

    shop.rest()
    source = shop.pipeline.settings.sources[0].topic
    admin = KafkaAdminClient(bootstrap_servers=shop.pipeline.bootstrap)
    admin.delete_topics([source])
    wait_until(lambda: source not in admin.list_topics(), "the topic to go")
    admin.close()
    shop.command("topics", "create", "--partitions", "2")
    assert shop.command("migrate", "--anew", "clicks") == 0
    shop.pipeline.start("ingest")
    shop.pipeline.start("forecast")
    shop.send(0, [*minutes(14, 30), click(60)])
    shop.send(1, minutes(14, 30, "south"))
    shop.wait_for_store(28)
    code, out = verdict(shop, capsys)
    assert code == 0
    assert f"topic {source} was made anew" in out
    shop.tamper(26, "traffic", 55.0)
    code, out = verdict(shop, capsys)
    assert code == 1
    assert "2026-01-31T12:26:00Z north books traffic store 6 55" in out
