"""What is read of the pipeline while and after it runs: positions, recovery times, outputs."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from faults import Fault
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from outputs import read_topic

__all__ = ["Commits", "ends", "moved", "recoveries"]

SOURCE = re.compile(rb'"source":"([^"]+)","partition":(\d+)')
Moments = Mapping[str, Sequence[float]]
"""What moved -> the Unix seconds at which it did, rising."""


def ends(bootstrap: str, topics: Sequence[str]) -> dict[TopicPartition, int]:
    """Return the end offset of every partition of ``topics``."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap)
    try:
        places = [TopicPartition(t, n) for t in topics for n in consumer.partitions_for_topic(t)]
        found: dict[TopicPartition, int] = consumer.end_offsets(places)
        return found
    finally:
        consumer.close()


class Commits:
    """Notes when a group's committed offsets move; a thread asks every second."""

    def __init__(self, bootstrap: str, group: str) -> None:
        self._bootstrap = bootstrap
        self._group = group
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="commits")
        self.moments: list[float] = []
        self.committed: dict[TopicPartition, int] = {}

    def __enter__(self) -> Commits:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(1.0):
            try:
                admin = KafkaAdminClient(bootstrap_servers=self._bootstrap)
            except KafkaError:
                continue
            try:
                while not self._ended.wait(1.0):
                    self._note(admin)
            except KafkaError:
                pass
            finally:
                admin.close()

    def _note(self, admin: Any) -> None:
        answer = admin.list_group_offsets({self._group: None})[self._group]
        found = {place: entry.offset for place, entry in answer.items()}
        if sum(found.values()) > sum(self.committed.values()):
            self.moments.append(time.time())
        self.committed = found


def moved(bootstrap: str, cuts: str, windows: str, commits: Commits) -> dict[str, Moments]:
    """Return by role when each thing that it moves did: cuts, windows, the sink's commits."""
    by_partition: dict[str, list[float]] = {}
    for record in read_topic(bootstrap, cuts):
        if found := SOURCE.search(record.value[:300]):
            by_partition.setdefault(str(found.groups()), []).append(record.timestamp / 1000)
    forecasts = sorted(record.timestamp / 1000 for record in read_topic(bootstrap, windows))
    return {
        "ingest": {name: sorted(times) for name, times in by_partition.items()},
        "forecast": {"windows": forecasts},
        "sink": {"commits": commits.moments},
    }


def recoveries(
    faults: Sequence[Fault], moments: Mapping[str, Moments]
) -> list[tuple[Fault, float]]:
    """Return for each fault of a worker the seconds until all that its role moves has moved."""
    found = []
    for fault in faults:
        if fault.role is None:
            continue
        waits = [
            next((t - fault.began for t in times if t > fault.began + 1.0), float("inf"))
            for times in moments[fault.role].values()
        ]
        found.append((fault, max(waits, default=float("inf"))))
    return found
