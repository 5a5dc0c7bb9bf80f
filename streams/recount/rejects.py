"""What the late and dead-letter topics tell of the records of source partitions."""

from __future__ import annotations

from dataclasses import dataclass, field

import orjson

__all__ = ["Rejects"]

Place = tuple[str, int]


@dataclass
class Rejects:
    """The records of both topics, by (topic, partition) and offset.

    ``late_at`` has the first position in the late topic that tells of a record, ``late_bins`` the
    (``upto``, position) of those that tell of a bin of (source, partition, bin).
    """

    reasons: dict[Place, dict[int, str]] = field(default_factory=dict)
    late_at: dict[Place, dict[int, int]] = field(default_factory=dict)
    late_bins: dict[tuple[str, int, int], list[tuple[int, int]]] = field(default_factory=dict)
    again: int = 0
    contradictions: list[tuple[Place, str]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def note_dead(self, value: bytes) -> None:
        """Take one record of the dead-letter topic."""
        record = orjson.loads(value)
        if record["reason"].startswith("lost:"):
            self.lost.append(f"{record['topic']}/{record['partition']} {record['reason']}")
            return
        self._note((record["topic"], record["partition"]), record["offset"], record["reason"])

    def note_late(self, position: int, value: bytes) -> None:
        """Take one record of the late topic, which stands at ``position`` there."""
        record = orjson.loads(value)
        if record.get("type") == "late_bins":
            key = (record["source"], record["partition"], record["bin"])
            self.late_bins.setdefault(key, []).append((record["upto"], position))
            return
        place = (record["topic"], record["partition"])
        self.late_at.setdefault(place, {}).setdefault(record["offset"], position)
        self._note(place, record["offset"], "late")

    def _note(self, place: Place, offset: int, kind: str) -> None:
        told = self.reasons.setdefault(place, {})
        if offset not in told:
            told[offset] = kind
            return
        self.again += 1
        if told[offset] != kind:
            where = f"{place[0]}/{place[1]} at {offset}"
            self.contradictions.append((place, f"{where}: {told[offset]} | {kind}"))
