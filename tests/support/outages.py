"""A load of predictions for the sink, and what it holds and owes while its store is away."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from kafka import KafkaAdminClient, KafkaProducer
from live import Live, Worker
from stores import memory_bytes

from tidecast.streams.schemas.forecasts import PredictionRecord

__all__ = ["RECORD_BYTES", "Feed", "Watch", "template"]

HORIZON = 96
ORIGIN = datetime(2026, 1, 31, 12, tzinfo=UTC)
CELL = "CELL-TO-BE-NAMED"
RECORDS_PER_SECOND = 1_500


def template(seed: int = 0) -> bytes:
    """Return a prediction whose region is still to be named; its numbers compress as real ones."""
    chance = random.Random(seed)
    means = [round(chance.expovariate(0.1), 6) for _ in range(HORIZON)]
    times = [ORIGIN + timedelta(hours=lead + 1) for lead in range(HORIZON)]
    record = PredictionRecord(
        series="traffic",
        region=CELL,
        category="books",
        origin=ORIGIN,
        valid_time=times,
        mean=means,
        quantile_levels=[0.1, 0.5, 0.9],
        quantiles=[[mean / 3, mean, mean * 3] for mean in means],
        weights={"last": [0.5] * HORIZON, "usual": [0.5] * HORIZON},
        revision=0,
    )
    return record.model_dump_json().encode()


TEMPLATES = [template(seed) for seed in range(64)]  # more than a compressor looks back at
RECORD_BYTES = min(map(len, TEMPLATES)) - len(CELL)
"""The bytes of a prediction at least."""


class Feed:
    """Writes predictions of ever new regions."""

    def __init__(self, pipeline: Live) -> None:
        self._topic = pipeline.topics.predictions
        self._producer = KafkaProducer(
            bootstrap_servers=pipeline.bootstrap, acks="all", batch_size=256 * 1024, linger_ms=50
        )
        self.sent = 0

    def send(self, count: int) -> None:
        for number in range(self.sent, self.sent + count):
            raw = TEMPLATES[number % len(TEMPLATES)]
            self.send_raw(raw.replace(CELL.encode(), b"r%d" % number))
        self.sent += count
        self._producer.flush()

    def send_raw(self, value: bytes) -> None:
        self._producer.send(self._topic, value)

    def send_for(self, seconds: float, at_least: int, check: Callable[[], None]) -> None:
        """Send at a steady rate for a while, ``at_least`` so many; ``check`` every second."""
        start, begun = time.monotonic(), self.sent
        while (passed := time.monotonic() - start) < seconds or self.sent - begun < at_least:
            due = begun + int(RECORDS_PER_SECOND * passed) - self.sent
            self.send(max(due, 0))
            check()
            time.sleep(1.0)

    def close(self) -> None:
        self._producer.close()


class Watch:
    """What a sink holds in memory, and what it has still to store."""

    def __init__(self, pipeline: Live, sink: Worker, feed: Feed) -> None:
        self._pipeline, self._sink, self._feed = pipeline, sink, feed
        self.before = self.largest = self.memory()

    @property
    def growth(self) -> int:
        """The bytes by which memory has been larger at most than it was at first."""
        return self.largest - self.before

    def memory(self) -> int:
        return memory_bytes(self._sink.process.pid)

    def look(self) -> None:
        """Fail if the sink has ended; note how large it is."""
        self._sink.check()
        self.largest = max(self.largest, self.memory())

    def lag(self) -> int:
        """Return how many predictions the sink has not committed."""
        group = f"{self._pipeline.settings.kafka.group}.sink"
        admin = KafkaAdminClient(bootstrap_servers=self._pipeline.bootstrap)
        try:
            offsets = admin.list_group_offsets(group)[group]
        finally:
            admin.close()
        topic = self._pipeline.topics.predictions
        done = sum(found.offset for place, found in offsets.items() if place.topic == topic)
        return self._feed.sent - done

    def told(self, *more: str) -> str:
        """Return the figures as a line."""
        figures = [
            f"{self._feed.sent:,} records of {RECORD_BYTES:,} bytes",
            f"memory {_mib(self.before)} before, {_mib(self.largest)} at most",
            f"{_mib(self.memory())} now",
            *more,
        ]
        return "; ".join(figures)


def _mib(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"
