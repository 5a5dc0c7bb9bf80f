"""What live workers wrote beside what a recording of their run gives: topic by topic, in bytes.

Records that tell of the same thing must be the same, and are counted once: after a crash a worker
sends again what it had sent.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
import orjson
from kafka import KafkaConsumer, TopicPartition
from numpy.typing import NDArray

from tidecast.state.settings import Settings
from tidecast.streams.topics import topic_names

__all__ = ["Compared", "compare", "put_aside", "read_topic"]

Sent = tuple[str, bytes | None, bytes]
NAMES = {
    "predictions": ("series", "region", "category", "origin", "revision"),
    "windows": ("bin", "revision"),
    "scores": ("valid_time", "revision"),
    "progress": ("next_bin",),
    "dead_letters": ("topic", "partition", "offset"),
    "late": ("type", "source", "partition", "offset", "bin", "upto"),
}
"""What a record of a topic tells of."""

SINK = "sink"
"""Whom its dead letters name as their source."""

SHOWN = 5
Place = tuple[str, int, int]
"""Topic, partition and offset."""


@dataclass
class Compared:
    """A topic: how many things it tells of, how often it tells one again, and what is wrong.

    ``examples`` are the first records that are wrong; ``foreign`` are those that no worker wrote,
    ``aside`` those of other topics that the sink has put aside here.
    """

    topic: str
    told: int = 0
    resent: int = 0
    missing: int = 0
    extra: int = 0
    different: int = 0
    examples: list[str] = field(default_factory=list)
    foreign: set[Place] = field(default_factory=set)
    aside: set[Place] = field(default_factory=set)

    @property
    def is_same(self) -> bool:
        """Whether the topic is what the recording gives."""
        return not (self.missing or self.extra or self.different)

    def blame(self, what: str, record: Any) -> None:
        """Note a record that is wrong."""
        if len(self.examples) < SHOWN:
            place = f"{self.topic}/{record.partition} at {record.offset}"
            self.examples.append(f"{what}: {place}: {(record.value or b'')[:300]!r}")


class Expected:
    """What a topic must tell: hashes of names and of whole records, in order of the names."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._rows: list[tuple[int, int]] = []
        self.steps: list[tuple[int, int]] = []  # of progress: (position, next bin)
        self.names: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self.digests: NDArray[np.uint64] = np.zeros(0, np.uint64)

    def add(self, value: bytes) -> None:
        record = orjson.loads(value)
        self._rows.append((self.name(record), hashed(value)))
        if self._kind == "progress":
            self.steps.append((record["position"], record["next_bin"]))
        if len(self._rows) == 100_000:
            self.settle()

    def settle(self) -> None:
        """Sort what was added."""
        rows = np.array(self._rows, np.uint64).reshape(-1, 2)
        names = np.concatenate([self.names, rows[:, 0]])
        digests = np.concatenate([self.digests, rows[:, 1]])
        order = np.argsort(names)
        self.names, self.digests, self._rows = names[order], digests[order], []

    def read(self, value: bytes) -> dict[str, Any] | None:
        """Return what a record says, None where it is none of this topic."""
        try:
            record = orjson.loads(value)
        except orjson.JSONDecodeError:
            return None
        if not isinstance(record, dict):
            return None
        names = () if self._kind == "late" else NAMES[self._kind]  # which has two kinds of records
        return record if record.keys() >= {*names} else None

    def name(self, record: Any) -> int:
        """Return a hash of what a record tells of."""
        return hashed(orjson.dumps([record.get(name) for name in NAMES[self._kind]]))

    def place(self, name: int) -> int | None:
        """Return where a name stands, None where nothing is to be told of it."""
        place = int(np.searchsorted(self.names, np.uint64(name)))
        return place if place < len(self.names) and int(self.names[place]) == name else None

    def is_restated(self, record: Any) -> bool:
        """Tell whether a record of progress, told again after a restart, is right where it is."""
        place = bisect_right([position for position, _ in self.steps], record["position"])
        return place > 0 and self.steps[place - 1][1] == record["next_bin"]


def compare(settings: Settings, records: Iterable[Sent], bootstrap: str) -> list[Compared]:
    """Compare every topic that workers write, cuts and checkpoints apart, with ``records``."""
    topics = topic_names(settings.kafka.topic_prefix)
    expected = {getattr(topics, kind): Expected(kind) for kind in NAMES}
    for topic, _, value in records:
        expected[topic].add(value)
    return [_compared(bootstrap, topic, those) for topic, those in sorted(expected.items())]


def put_aside(compared: Iterable[Compared]) -> tuple[set[Place], set[Place]]:
    """Return the records that no worker wrote, and those that the sink has put aside."""
    results = list(compared)
    foreign = set().union(*(result.foreign for result in results))
    return foreign, set().union(*(result.aside for result in results))


def _compared(bootstrap: str, topic: str, expected: Expected) -> Compared:
    expected.settle()
    result = Compared(topic)
    told = np.zeros(len(expected.names), np.bool_)
    for record in read_topic(bootstrap, topic):
        parsed = expected.read(record.value)
        if parsed is None:
            result.foreign.add((topic, record.partition, record.offset))
            continue
        if parsed.get("source") == SINK:  # which no recording can know of
            result.aside.add((parsed["topic"], parsed["partition"], parsed["offset"]))
            continue
        place = expected.place(expected.name(parsed))
        if place is None:
            result.extra += 1
            result.blame("extra", record)
        elif hashed(record.value) == int(expected.digests[place]):
            result.resent += bool(told[place])
            told[place] = True
        elif expected.steps and expected.is_restated(parsed):
            result.resent += 1
        else:
            result.different += 1
            result.blame("different", record)
    result.told, result.missing = int(told.sum()), int((~told).sum())
    return result


def read_topic(bootstrap: str, topic: str) -> Iterator[Any]:
    """Yield all records of a topic, as many as it has now."""
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, max_partition_fetch_bytes=1 << 24
    )
    try:
        places = [TopicPartition(topic, n) for n in sorted(consumer.partitions_for_topic(topic))]
        stops = consumer.end_offsets(places)
        consumer.assign(places)
        consumer.seek_to_beginning(*places)
        while any(consumer.position(place) < stops[place] for place in places):
            for records in consumer.poll(1_000, max_records=5_000).values():
                yield from records
    finally:
        consumer.close()


def hashed(value: bytes) -> int:
    """Return 64 bits that stand for ``value``."""
    return int.from_bytes(blake2b(value, digest_size=8).digest(), "little")
