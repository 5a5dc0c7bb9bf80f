"""Logs into a real broker, and predictions out of it, through the command line."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource
from kafka.consumer.fetcher import ConsumerRecord

from tidecast.state.cuts import END_OF_LOG
from tidecast.state.settings import Settings, load_settings
from tidecast.streams.logs import Dealer
from tidecast.streams.topics import topic_names
from tidecast.tools.main import run

START_MS = 1_300_000_000_000  # in 2011: older than any default retention
FUTURE_MS = 4_000_000_000_000  # in 2096
PREDICTION: dict[str, Any] = {
    "schema_version": 1,
    "series": "traffic",
    "region": "north",
    "category": "toys",
    "origin": "2011-03-13T07:06:40Z",
    "valid_time": ["2011-03-13T08:06:40Z"],
    "mean": [10.0],
    "quantile_levels": [0.5],
    "quantiles": [[10.0]],
    "weights": {},
    "revision": 0,
}


@dataclass
class Shop:
    """A folder with settings for topics of one's own."""

    folder: Path
    bootstrap: str
    prefix: str
    extra: str = field(default="")

    @property
    def settings_path(self) -> Path:
        path = self.folder / "tidecast.toml"
        path.write_text(
            f"""
            [kafka]
            bootstrap = "{self.bootstrap}"
            topic_prefix = "{self.prefix}"
            {self.extra}
            [[sources]]
            name = "clicks"
            topic = "{self.clicks}"
            stream = "click"
            time = {{ format = "ms" }}
            [[sources]]
            name = "orders"
            topic = "{self.prefix}.source-orders"
            stream = "order"
            time = {{ format = "ms" }}
            [[series]]
            name = "traffic"
            stream = "click"
            aggregate = "count"
            """
        )
        return path

    @property
    def clicks(self) -> str:
        return f"{self.prefix}.source-clicks"

    @property
    def settings(self) -> Settings:
        return load_settings(self.settings_path, {})

    def run(self, *words: str) -> int:
        return run(["--settings", str(self.settings_path), *words])

    def consume(self, topic: str) -> list[list[ConsumerRecord]]:
        """Return all records of each partition."""
        consumer = KafkaConsumer(bootstrap_servers=self.bootstrap, consumer_timeout_ms=5_000)
        partitions = sorted(consumer.partitions_for_topic(topic))
        tps = [TopicPartition(topic, partition) for partition in partitions]
        consumer.assign(tps)
        consumer.seek_to_beginning(*tps)
        left = sum(consumer.end_offsets(tps).values())
        found: list[list[ConsumerRecord]] = [[] for _ in partitions]
        while left:
            record = next(consumer)
            found[record.partition].append(record)
            left -= 1
        consumer.close()
        return found


@pytest.fixture
def shop(
    kafka_bootstrap: str, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shop]:
    monkeypatch.delenv("TIDECAST_KAFKA__BOOTSTRAP", raising=False)
    yield Shop(tmp_path, kafka_bootstrap, topic_prefix)
    admin = KafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    admin.delete_topics([name for name in admin.list_topics() if name.startswith(topic_prefix)])
    admin.close()


def event(n: int, **changes: Any) -> bytes:
    plain = {"event_time": START_MS + n * 1_000, "region": f"r{n % 7}", "n": n}
    return json.dumps(plain | changes).encode()


def write(path: Path, records: list[bytes]) -> str:
    path.write_bytes(gzip.compress(b"\n".join(records)))
    return str(path)


def create(shop: Shop, topic: str, config: dict[str, str]) -> None:
    admin = KafkaAdminClient(bootstrap_servers=shop.bootstrap)
    plan = {"num_partitions": 1, "replication_factor": 1, "configs": config}
    admin.create_topics({topic: plan}, wait_for_metadata=True)
    admin.close()


def test_topics_are_created_once_and_then_found_as_they_should_be(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shop.run("topics", "create", "--partitions", "3") == 0
    first = capsys.readouterr().out
    assert len(re.findall(r"created$", first, re.MULTILINE)) == 11
    assert re.search(rf"^{shop.clicks} +3 partitions  created$", first, re.MULTILINE)
    for words in (["create", "--partitions", "3"], ["list", "--partitions", "3"]):
        assert shop.run("topics", *words) == 0
        again = capsys.readouterr().out
        assert len(re.findall(r"exists$", again, re.MULTILINE)) == 11
        assert "!" not in again


def test_what_differs_in_a_topic_is_named(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    cuts = topic_names(shop.prefix).cuts
    compacted = {"cleanup.policy": "compact", "retention.ms": "1000"}
    create(shop, cuts, compacted)
    assert shop.run("topics", "create") == 0
    out = capsys.readouterr().out
    assert "! cleanup.policy is compact, should be delete" in out
    assert "! retention.ms is 1000, should be -1" in out


def test_a_log_arrives_in_the_partitions_and_order_it_was_dealt_with_its_times(shop: Shop) -> None:
    records = [event(n) for n in range(3_000)]
    records[5] = b"not json"
    records[6] = event(6, region=None)
    records[7] = event(7, event_time=FUTURE_MS)
    shop.run("topics", "create", "--partitions", "3")
    assert shop.run("feed", write(shop.folder / "clicks.ndjson.gz", records)) == 0
    found = shop.consume(shop.clicks)
    source = shop.settings.sources[0]
    assert [[r.value for r in rs] for rs in found] == Dealer(source, 3).split(records)
    for record in (record for partition in found for record in partition):
        content = None if record.value == b"not json" else json.loads(record.value)
        region = content and content["region"]
        assert record.key == (region.encode() if region else None)
        expected = START_MS + 4_000 if content is None else content["event_time"]
        assert record.timestamp == expected


def test_no_topic_deletes_old_records_by_time(shop: Shop) -> None:
    shop.run("topics", "create")
    admin = KafkaAdminClient(bootstrap_servers=shop.bootstrap)
    names = [name for name in admin.list_topics() if name.startswith(shop.prefix)]
    answer = admin.describe_configs([ConfigResource("topic", name) for name in names])["topic"]
    admin.close()
    assert {config["retention.ms"]["value"] for config in answer.values()} == {"-1"}
    assert len(answer) == 11


def test_two_logs_are_merged_and_every_partition_of_both_is_ended(shop: Shop) -> None:
    clicks = [event(n) for n in range(500)]
    orders = [event(n, units=1) for n in range(0, 500, 50)]
    shop.run("topics", "create", "--partitions", "2")
    logs = [
        write(shop.folder / "clicks.ndjson.gz", clicks),
        "orders=" + write(shop.folder / "january", orders),
    ]
    assert shop.run("feed", "--end", *logs) == 0
    for topic, count in ((shop.clicks, 500), (f"{shop.prefix}.source-orders", 10)):
        found = shop.consume(topic)
        assert [partition[-1].value for partition in found] == [END_OF_LOG] * 2
        assert sum(len(partition) for partition in found) == count + 2


def test_a_record_the_broker_refuses_is_fatal_and_named(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    narrow = {"max.message.bytes": "1000"}
    create(shop, shop.clicks, narrow)
    log = write(shop.folder / "clicks.ndjson.gz", [event(1), event(2, text="x" * 5_000)])
    assert shop.run("feed", log) == 4
    assert "raise max.message.bytes of the topic" in capsys.readouterr().err


def test_an_event_time_the_broker_refuses_is_fatal_and_named(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    narrow = {"message.timestamp.after.max.ms": "3600000"}
    create(shop, shop.clicks, narrow)
    log = write(shop.folder / "clicks.ndjson.gz", [event(1, event_time=FUTURE_MS)])
    assert shop.run("feed", log) == 4
    assert "refuses a record for its event time" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["feed"], ["tail"]])
def test_a_missing_topic_is_one_sentence_with_the_remedy(
    shop: Shop, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    if words == ["feed"]:
        words = ["feed", write(shop.folder / "clicks.ndjson.gz", [event(1)])]
    assert shop.run(*words) == 4
    error = capsys.readouterr().err
    assert re.search(r"does not exist on .*: make it with `tidecast topics create`", error)
    assert error.count("\n") == 1


def test_a_broker_that_does_not_let_us_in_is_told_from_a_dead_one(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.extra = 'sasl = { user = "ann", password = "s3cret", mechanism = "PLAIN" }'
    assert shop.run("topics", "list") == 4
    error = capsys.readouterr().err
    assert "does not let us in: it takes no log-ins there" in error
    assert "s3cret" not in error


def test_tail_prints_what_is_published_and_filters_it(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.run("topics", "create")
    capsys.readouterr()
    producer = KafkaProducer(bootstrap_servers=shop.bootstrap)
    values = [json.dumps(PREDICTION | {"region": f"r{n}"}).encode() for n in range(6)]
    for value in [b"broken", *values]:
        producer.send(topic_names(shop.prefix).predictions, value).get(10)
    producer.close()
    words = ["tail", "--from-beginning", "--json"]
    assert shop.run(*words, "--limit", "6") == 0
    assert sorted(capsys.readouterr().out.encode().splitlines()) == sorted(values)
    assert shop.run(*words, "--limit", "1", "--region", "r4") == 0
    assert capsys.readouterr().out.encode().strip() == values[4]
