"""The records of what is in no slab: too late, or against the contract."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Base64Bytes, Discriminator, Field, Tag, TypeAdapter

from tidecast.streams.schemas.record import Record

__all__ = ["DeadLetterRecord", "LateBinsRecord", "LateRecord", "late_adapter"]


class RejectedRecord(Record):
    """A source record that is in no slab: where it stood, why, and its original bytes."""

    source: str
    topic: str
    partition: int = Field(ge=0)
    offset: int = Field(ge=0)
    reason: str
    value: Base64Bytes | None


class LateRecord(RejectedRecord):
    """A record that came after its bin could be corrected (topic: late)."""

    type: Literal["late"] = "late"


class LateBinsRecord(Record):
    """Events that their partition took in time, but slabs could not take any more (topic: late).

    The partition was idle or stopped while the bin was closed without it, or the bin was closed
    in a warm-up. ``upto`` is the source offset at which they became known; ``events`` counts
    those of the bin not told of before; the cells are all of which the partition has an event in
    the bin.
    """

    type: Literal["late_bins"] = "late_bins"
    source: str
    partition: int = Field(ge=0)
    bin: int
    bin_start: datetime
    bin_end: datetime
    upto: int = Field(ge=0)
    events: int = Field(ge=1)
    regions: list[str] = Field(description="region of each cell")
    categories: list[str] = Field(description="category of each cell")
    reason: str


class DeadLetterRecord(RejectedRecord):
    """A record that breaks its contract (topic: dead-letters)."""


def _kind_of_late(value: object) -> str:
    """Return what tells the records of the late topic apart; the older kind need not say it."""
    found = value.get("type", "late") if isinstance(value, dict) else getattr(value, "type", "")
    return str(found)


AnyLate = LateRecord | LateBinsRecord
late_adapter: TypeAdapter[AnyLate] = TypeAdapter(
    Annotated[
        Annotated[LateRecord, Tag("late")] | Annotated[LateBinsRecord, Tag("late_bins")],
        Discriminator(_kind_of_late),
    ]
)
"""Whatever stands in the late topic."""
