"""Records that tidecast has not written, in topics that it has: others may write there too."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Foreign"]

NOT_OURS = (ValueError, TypeError, KeyError, AttributeError)  # of records of another shape
Place = tuple[str, int, int]
"""Topic, partition and offset."""


class Foreign:
    """The ``places`` of such records; the sink must have put them aside."""

    def __init__(self) -> None:
        self.places: list[Place] = []

    def take(self, read: Callable[[bytes], None], place: Place, value: bytes | None) -> None:
        """Read a record, or note its place where it is none of ours; a tombstone says nothing."""
        if value is None:
            return
        try:
            read(value)
        except NOT_OURS:
            self.places.append(place)
