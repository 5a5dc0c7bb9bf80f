"""A shop under steady load: disorder, duplicates, late, malformed and impossible records."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tidecast.state.bins import iso

__all__ = ["PARTITIONS", "RATE", "YEAR", "Event", "Shop", "settings_text"]

RATE = 10_000
PARTITIONS = {"clicks": 4, "orders": 2}
REGIONS, CATEGORIES = 20, 10
SECOND = 1_000_000
YEAR = 365 * 86_400 * SECOND

SETTINGS = """\
[bins]
width = "{bin_seconds}s"

[[sources]]
name = "clicks"
topic = "{{prefix}}clicks"
stream = "click"
max_disorder = "2s"
allowed_lateness = "20s"
idle_timeout = "15s"

[[sources]]
name = "orders"
topic = "{{prefix}}orders"
stream = "order"
max_disorder = "2s"
allowed_lateness = "20s"
idle_timeout = "15s"
deduplicate = true

[[series]]
name = "traffic"
stream = "click"
aggregate = "count"
kinds = ["view"]

[[series]]
name = "value"
stream = "click"
aggregate = "mean"
of = "value"

[[series]]
name = "demand"
stream = "order"
aggregate = "sum"
of = "units"

[forecast]
horizon = 6
"""

MALFORMED = (
    b'{"event_time":',
    b"[]",
    b'{"event_time":"yesterday","region":"r01","category":"c1","kind":"view"}',
    b'{"region":"r01","category":"c1","kind":"view","units":1}',
    b"\xff\xfe\x00",
    b'{"event_time":"1901-01-01T00:00:00Z","region":"r01","category":"c1","kind":"order","units":1}',
)


def settings_text(bin_seconds: int) -> str:
    """Return the settings; topics stand under {prefix}."""
    return SETTINGS.format(bin_seconds=bin_seconds)


@dataclass(frozen=True)
class Event:
    """One record, and the source and partition it goes to."""

    source: str
    partition: int
    value: bytes


class Shop:
    """Makes the records of a moment; the same seed and moments give the same records."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._number = 0
        self._again: list[Event] = []

    def events(self, now_us: int, count: int) -> list[Event]:
        """Return ``count`` records around the time ``now_us``, some of them of other times."""
        made = [self._event(now_us) for _ in range(count - len(self._again))]
        made += self._again
        self._again = [event for event in made if self._random.random() < 0.005]
        return made

    def _event(self, now_us: int) -> Event:
        source = "clicks" if self._random.random() < 0.7 else "orders"
        partition = self._random.randrange(PARTITIONS[source])
        chance = self._random.random()
        if chance < 0.002:
            return Event(source, partition, self._random.choice(MALFORMED))
        return Event(source, partition, self.valid(source, now_us + self._shift(chance)))

    def _shift(self, chance: float) -> int:
        """Return how far from now an event lies, in microseconds."""
        if chance < 0.0021:
            return YEAR
        if chance < 0.0045:
            return -int(self._random.uniform(30, 120) * SECOND)  # too late for its bin
        if chance < 0.01:
            return -int(self._random.uniform(3, 15) * SECOND)  # a correction
        return -int(self._random.random() * 1.5 * SECOND)

    def valid(self, source: str, time_us: int) -> bytes:
        """Return a record that is as it should be, of the time ``time_us``."""
        self._number += 1
        head = (
            f'{{"event_id":"{source}-{self._number}","event_time":"{iso(time_us)}",'
            f'"region":"r{self._random.randrange(REGIONS):02d}",'
            f'"category":"c{self._random.randrange(CATEGORIES)}",'
        )
        if source == "orders":
            return f'{head}"kind":"order","units":{self._random.randrange(1, 5)}}}'.encode()
        kind = "view" if self._random.random() < 0.9 else "cart"
        return f'{head}"kind":"{kind}","value":{self._random.randrange(100, 9999) / 100}}}'.encode()
