"""What was read of the topics and is on its way into the recording; no broker needed.

A message of the cuts topic is written after the source records that it speaks of: whenever a
recorder ends, however it ends, what it leaves can be repeated, and gone on with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from tidecast.state.cuts import Cut, Idle
from tidecast.state.errors import LogError
from tidecast.streams.recording.folder import Recording
from tidecast.streams.recording.intake import Intake
from tidecast.streams.wire import parse_input

__all__ = ["HELD_BYTES", "Inbox", "Key"]

Key = tuple[str, int]
"""A source's name, and a partition of its topic."""

PIECE_BYTES = 8 << 20
WAITING_BYTES = 64 << 20  # of all partitions together
HELD_BYTES = 32 << 20  # of cuts: then sources are read first
PIECE_SECONDS = 60.0
CUTS_SECONDS = 1.0


class Need(NamedTuple):
    """A message speaks of the records of a source partition before ``end``, made at ``upto``."""

    key: Key
    upto: int
    end: int


class Inbox:
    """The intakes of ``recording``: ``cuts``, and ``events`` by source partition.

    ``needs`` has an entry for each message of the cuts topic that is not written yet, None where it
    needs nothing.
    """

    def __init__(self, recording: Recording, cuts_beginning: int) -> None:
        self._recording = recording
        self.cuts = Intake.of(recording.cuts, cuts_beginning)
        self.events: dict[Key, Intake] = {}
        self.needs: list[Need | None] = []

    def add(self, key: Key, beginning: int) -> Intake:
        """Begin a source partition, whose topic begins at offset ``beginning`` now."""
        self.events[key] = Intake.of(self._recording.events(*key), beginning)
        return self.events[key]

    def note_cuts(self, records: Sequence[Any], position: int) -> None:
        """Take what a fetch brought of the cuts topic.

        Raises
        ------
        ContractError
            When a record is none of that topic, or was made under other settings.
        """
        self.cuts.note(records, position)
        self.needs += [_need(record.value, self._recording.manifest.settings) for record in records]

    @property
    def unknown(self) -> set[Key]:
        """The source partitions that cuts speak of and nobody has added."""
        return {need.key for need in self.needs if need is not None} - self.events.keys()

    def is_due(self, seconds: float) -> bool:
        """Tell whether to write what is here, ``seconds`` after the last time."""
        sizes = [intake.size for intake in self.events.values()]
        return (
            max(sizes, default=0) >= PIECE_BYTES
            or sum(sizes) + self.cuts.size >= WAITING_BYTES
            or (self.cuts.size >= HELD_BYTES and seconds >= CUTS_SECONDS)
            or seconds >= PIECE_SECONDS
        )

    def write(self) -> None:
        """Write all source records, then the cuts that speak of nothing else.

        Raises
        ------
        LogError
            When a cut speaks of records from before the recording, or nothing can be written.
        """
        for intake in self.events.values():
            intake.write(len(intake.offsets))
        ready = 0
        while ready < len(self.needs) and self._is_there(self.needs[ready]):
            ready += 1
        self.cuts.write(ready)
        del self.needs[:ready]

    def _is_there(self, need: Need | None) -> bool:
        if need is None:
            return True
        if (intake := self.events.get(need.key)) is None:
            return False
        if need.upto < intake.begin:
            source, partition = need.key
            raise LogError(
                f"{source}/{partition} begins at offset {intake.begin}, but the workers have read "
                f"it from offset {need.upto} or before: what is gone cannot be repeated; record a "
                "run from its start, and keep its source topics for as long"
            )
        return intake.kept >= need.end


def _need(value: bytes | None, settings: str) -> Need | None:
    message = parse_input(value or b"", settings)
    if not isinstance(message, Cut | Idle):
        return None
    end = message.upto + 1 if isinstance(message, Cut) else message.upto
    return Need((message.source, message.partition), message.upto, end)
