"""The records of the cuts topic, the forecaster's input log: cuts and decisions."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from tidecast.streams.schemas.record import Record, Tolerant
from tidecast.streams.schemas.windows import DeepForecastRecord

__all__ = [
    "AdmissionRecord",
    "AnnouncedRow",
    "AnnouncementRecord",
    "BinRecord",
    "CutRecord",
    "IdleRecord",
    "JoinRecord",
    "PartitionListRecord",
    "RefitRecord",
    "input_adapter",
]


class BinRecord(Tolerant):
    """What one source partition adds to one bin.

    Cell i is (regions[region[i]], categories[category[i]]); sums[0][i] counts its events, the
    other rows are the source's terms, fixed point.
    """

    bin: int
    regions: list[str]
    categories: list[str]
    region: list[int]
    category: list[int]
    sums: list[list[int]]


class CutRecord(Record):
    """A source partition's watermark passed the end of bin ``boundary`` (topic: cuts)."""

    type: Literal["cut"] = "cut"
    settings: str = Field(description="fingerprint of the settings that give the sums a meaning")
    source: str
    partition: int = Field(ge=0)
    since: int
    boundary: int
    upto: int = Field(ge=0, description="offset of the source record that moved the watermark")
    ended: bool = False
    bins: list[BinRecord]


class IdleRecord(Record):
    """A decision: a source partition is silent and holds nobody back (topic: cuts)."""

    type: Literal["idle"] = "idle"
    settings: str
    source: str
    partition: int = Field(ge=0)
    upto: int = Field(ge=0)
    bins: list[BinRecord]


class PartitionListRecord(Record):
    """A decision: the source partitions that slabs wait for; the first wins (topic: cuts)."""

    type: Literal["partitions"] = "partitions"
    settings: str
    partitions: list[tuple[str, int]]


class JoinRecord(Record):
    """A decision: slabs wait for one more source partition from now on (topic: cuts)."""

    type: Literal["join"] = "join"
    settings: str
    source: str
    partition: int = Field(ge=0)


class RefitRecord(Record):
    """A decision: what a refit that came due with the closing of ``bin`` has given (topic: cuts).

    With null the bins go on without it. The first artifacts that come while the refit is due
    count; they are data that is checked, and never executed.
    """

    type: Literal["refit"] = "refit"
    settings: str
    expert: str
    bin: int
    artifacts: list[str] | None = Field(
        description="fitted trees of each series, as LightGBM's text; empty where it has none"
    )


class AdmissionRecord(Record):
    """A decision: what a deep model has said in time at the closing of a bin (topic: cuts).

    With null the bins after ``origin_bin`` are forecast without it. The first record of an origin
    counts.
    """

    type: Literal["admission"] = "admission"
    settings: str
    origin_bin: int
    said: DeepForecastRecord | None


class AnnouncedRow(Tolerant):
    """What a record of a covariate's topic says of the bins from ``first`` to ``last``."""

    offset: int = Field(ge=0)
    name: str
    first: int
    last: int
    region: str | None = None
    category: str | None = None
    value: float | None = Field(allow_inf_nan=False, description="null is a missing value")
    known_at: int | None = Field(description="microseconds UTC; null = when it was read")


class AnnouncementRecord(Record):
    """A decision: from here on the forecaster knows a covariates' topic up to ``upto`` (cuts)."""

    type: Literal["announcement"] = "announcement"
    settings: str
    topic: str
    partition: int = Field(ge=0)
    upto: int = Field(ge=0)
    rows: list[AnnouncedRow]


AnyInput = (
    AdmissionRecord
    | AnnouncementRecord
    | CutRecord
    | IdleRecord
    | JoinRecord
    | PartitionListRecord
    | RefitRecord
)
input_adapter: TypeAdapter[AnyInput] = TypeAdapter(Annotated[AnyInput, Field(discriminator="type")])
"""Whatever stands in the forecaster's input log."""
