"""What was read of topic partitions and is on its way into their files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tidecast.streams.recording.track import Track

__all__ = ["Intake"]


@dataclass
class Intake:
    """A topic partition being recorded: ``position`` was read up to, ``kept`` was written up to.

    ``begin`` is where its recording begins; ``size`` counts the bytes that wait to be written.
    """

    track: Track
    begin: int
    kept: int
    position: int
    offsets: list[int] = field(default_factory=list)
    times_ms: list[int] = field(default_factory=list)
    values: list[bytes | None] = field(default_factory=list)
    size: int = 0

    @classmethod
    def of(cls, track: Track, beginning: int) -> Intake:
        """Return the intake that goes on where ``track`` ends, or begins at ``beginning``."""
        pieces = track.pieces()
        begin, end = (pieces[0].first, pieces[-1].end) if pieces else (beginning, beginning)
        return cls(track, begin, end, end)

    def note(self, records: Sequence[Any], position: int) -> None:
        """Take what a fetch brought, up to ``position``."""
        self.offsets += [record.offset for record in records]
        self.times_ms += [record.timestamp for record in records]
        self.values += [record.value for record in records]
        self.size += sum(len(record.value or b"") for record in records)
        self.position = position

    def write(self, count: int) -> None:
        """Write the first ``count`` records as a piece.

        Raises
        ------
        LogError
            When they cannot be written.
        """
        if not count:
            return
        end = self.position if count == len(self.offsets) else self.offsets[count]
        parts = (self.offsets[:count], self.times_ms[:count], self.values[:count])
        self.track.append(self.kept, end, *parts)
        self.kept = end
        del self.offsets[:count], self.times_ms[:count], self.values[:count]
        self.size = sum(len(value or b"") for value in self.values)
