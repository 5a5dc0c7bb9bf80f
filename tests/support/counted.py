"""A live shop whose events a test remembers, and what the store must hold of them."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterable

import pytest
from click_settings import click_settings
from clicks import MINUTE, START
from kafka import KafkaProducer
from live import Live

from tidecast.streams.store import Store
from tidecast.tools.main import run

SETTINGS = (
    click_settings(width="1m", max_disorder="5s", allowed_lateness="2m", idle_timeout="3s")
    + """
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
)
Values = dict[tuple[int, str], tuple[float, float, float]]  # minute, region -> a value a series


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

    def rest(self) -> None:
        """Stop ingest, let the forecaster fold and save all cuts, and stop it."""
        pipeline, topics = self.pipeline, self.pipeline.topics
        assert pipeline.workers.pop("ingest-0").stop() == 0
        end = pipeline.ends(topics.cuts)

        def is_saved() -> bool:
            saved = [
                r.value for r in pipeline.records(topics.checkpoints) if r.key == b"forecast/0"
            ]
            return any(json.loads(manifest)["position"] == end for manifest in saved)

        pipeline.wait(is_saved, "a checkpoint after the last cut")
        assert pipeline.workers.pop("forecast-0").stop() == 0

    def idle(self, partition: int) -> bool:
        """Tell whether a partition was declared idle."""
        inputs = map(json.loads, self.pipeline.values(self.pipeline.topics.cuts))
        return any(m["type"] == "idle" and m["partition"] == partition for m in inputs)

    def tamper(self, minute: int, series: str, value: float) -> None:
        """Give a series another value in a bin of the store, in all cells."""
        names = ("series", "region", "category", "bin_start", "bin_end", "value", "censored")
        start = START + minute * MINUTE
        rows = self.store.query(
            "SELECT region, category, censored, revision FROM actuals FINAL "
            "WHERE series = %(series)s AND bin_start = toDateTime(%(start)s)",
            {"series": series, "start": start},
        ).rows
        new = [(series, *row[:2], start, start + MINUTE, value, *row[2:]) for row in rows]
        columns = [list(column) for column in zip(*new, strict=True)]
        self.store.insert("actuals", dict(zip((*names, "revision"), columns, strict=True)))

    def command(self, *arguments: str) -> int:
        return run(["--settings", str(self.pipeline.settings_path), *arguments])
