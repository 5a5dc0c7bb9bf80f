"""The records of every topic that tidecast writes.

All are JSON but the chunks of checkpoints, which are bytes. A reader refuses a ``schema_version``
it does not know; fields may be added within a version, never changed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import (
    Base64Bytes,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    NonNegativeInt,
    Tag,
    TypeAdapter,
    model_validator,
)

__all__ = [
    "AdmissionRecord",
    "AnnouncedRow",
    "AnnouncementRecord",
    "BinRecord",
    "CheckpointManifest",
    "CutRecord",
    "DeadLetterRecord",
    "DeepForecastRecord",
    "IdleRecord",
    "InputRecord",
    "JoinRecord",
    "LateBinsRecord",
    "LateRecord",
    "PartitionListRecord",
    "PredictionRecord",
    "ProgressRecord",
    "RefitRecord",
    "ScoreRecord",
    "WindowCovariate",
    "WindowRecord",
    "input_adapter",
    "late_adapter",
]


class Record(BaseModel):
    """What all records share: frozen, tolerant of fields added later."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: Literal[1] = 1


class BinRecord(BaseModel):
    """What one source partition adds to one bin.

    Cell i is (regions[region[i]], categories[category[i]]); sums[0][i] counts its events, the
    other rows are the source's terms, fixed point.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

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


class DeepForecastRecord(Record):
    """A deep model's answer to one closed bin (topic: deep-forecasts).

    ``mean`` and ``scale`` are of ``shape`` (series, cell, lead), series as in the settings, cells
    as in the window of that bin: 32-bit floats, little-endian, in base64. A series that the model
    does not forecast is NaN.
    """

    model: str
    origin_bin: int
    shape: tuple[NonNegativeInt, NonNegativeInt, NonNegativeInt]
    mean: Base64Bytes
    scale: Base64Bytes


class AdmissionRecord(Record):
    """A decision: what a deep model has said in time at the closing of a bin (topic: cuts).

    With null the bins after ``origin_bin`` are forecast without it. The first record of an origin
    counts.
    """

    type: Literal["admission"] = "admission"
    settings: str
    origin_bin: int
    said: DeepForecastRecord | None


class AnnouncedRow(BaseModel):
    """What a record of a covariate's topic says of the bins from ``first`` to ``last``."""

    model_config = ConfigDict(frozen=True, extra="ignore")

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
InputRecord = Annotated[AnyInput, Field(discriminator="type")]
"""Whatever stands in the forecaster's input log."""

input_adapter: TypeAdapter[AnyInput] = TypeAdapter(InputRecord)


class ProgressRecord(Record):
    """How far a shard's time has come (topic: progress); the last one counts.

    Every bin before ``next_bin`` is closed, with a slab or without one while the feed slept.
    """

    shard: int = Field(ge=0)
    next_bin: int
    time: datetime = Field(description="end of the last closed bin")
    position: int = Field(ge=0, description="offset of the cuts topic read up to")


class WindowCovariate(BaseModel):
    """What is known of a covariate at the end of a bin.

    ``values`` is (bin, column), null = missing: of the bin itself and of those ahead where it is
    known ahead, one row where it is static.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    kind: Literal["known", "static"]
    columns: list[NonNegativeInt] | None = Field(
        description="which column is of each cell; null: there is one, of all cells"
    )
    values: list[list[float | None]] = Field(min_length=1)

    @model_validator(mode="after")
    def _columns_are_there(self) -> Self:
        n_columns = len(self.values[0])
        largest = max(self.columns or (0,))
        if largest >= n_columns or any(len(row) != n_columns for row in self.values):
            raise ValueError(f"column {largest} of {self.name} is not in every row of its values")
        return self


class WindowRecord(Record):
    """One closed bin of all cells, or its correction (topic: windows).

    ``values`` is (series, cell); null is missing. Of cells that are ``censored`` they are the least
    that was wanted. Bins between two records were empty while the feed slept. Models learn from a
    bin once, when it closes: ``learnt`` marks those values.
    """

    bin: int
    bin_start: datetime
    bin_end: datetime
    revision: int = Field(ge=0)
    learnt: bool = Field(
        default_factory=lambda known: known.get("revision") == 0,
        description="whether the models learnt from these values; a correction's they did not",
    )
    events: int = Field(ge=0)
    series: list[str]
    regions: list[str] = Field(description="region of each cell")
    categories: list[str] = Field(description="category of each cell")
    values: list[list[float | None]]
    censored: list[list[int]] | None = Field(
        default=None, description="numbers of the cells sold out or closed, by series; null: none"
    )
    counts: list[list[float] | None] | None = Field(
        default=None,
        description="how much each cell's mean or ratio is of, by series; null: a sum or a count",
    )
    covariates: list[WindowCovariate] | None = Field(
        default=None,
        description="for deep models, when the bin closes; null: none, or nobody asks them",
    )

    @model_validator(mode="after")
    def _every_cell_has_a_value(self) -> Self:
        n_series, n_cells = len(self.series), len(self.regions)
        by_series = self.values, self.censored, self.counts
        by_cell = self.categories, *self.values, *(self.counts or ())
        if any(part is not None and len(part) != n_series for part in by_series) or any(
            row is not None and len(row) != n_cells for row in by_cell
        ):
            raise ValueError(f"what is told is not of {n_series} series and {n_cells} cells")
        for each in self.covariates or ():
            if each.columns is not None and len(each.columns) != len(self.regions):
                raise ValueError(f"{len(self.regions)} cells have {len(each.columns)} columns")
        return self


class PredictionRecord(Record):
    """The forecasts of one cell and series from one origin, all leads (topic: predictions).

    Sums have forecasts too: ``region``, ``category`` or both are "(all)" where it is summed over
    all of them. Their means are the sums of those of the cells; their quantiles are their own.

    ``valid_time`` is the end of each lead's bin; ``quantiles`` is (lead, level); ``weights`` has,
    for each expert that spoke, its weight at each lead.
    """

    series: str
    region: str
    category: str
    origin: datetime
    valid_time: list[datetime]
    mean: list[float]
    quantile_levels: list[float]
    quantiles: list[list[float]]
    weights: dict[str, list[float]]
    revision: int = Field(ge=0)


class ScoreRecord(Record):
    """How the forecasts of one closed bin fared, summed over cells (topic: scores).

    The arrays are (expert, series, lead); the expert named "tidecast" is the blend. ``covered``
    is (interval, series, lead), of the blend.
    """

    valid_time: datetime
    revision: int = Field(ge=0)
    series: list[str]
    experts: list[str]
    n: list[list[list[int]]]
    abs_error: list[list[list[float]]]
    squared_error: list[list[list[float]]]
    actual: list[list[list[float]]]
    pinball: list[list[list[float | None]]]
    intervals: list[float]
    covered: list[list[list[int]]]

    @model_validator(mode="after")
    def _all_is_of_the_same_leads(self) -> Self:
        by_expert = (self.n, self.abs_error, self.squared_error, self.actual, self.pinball)
        tables = [(table, self.experts) for table in by_expert] + [(self.covered, self.intervals)]
        by_lead = [row for table, _ in tables for rows in table for row in rows]
        if (
            any(len(table) != len(names) for table, names in tables)
            or any(len(rows) != len(self.series) for table, _ in tables for rows in table)
            or len({len(row) for row in by_lead}) > 1
        ):
            raise ValueError("the arrays are not (expert, series, lead), (interval, series, lead)")
        return self


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


class DeadLetterRecord(RejectedRecord):
    """A record that breaks its contract (topic: dead-letters)."""


class CheckpointManifest(BaseModel):
    """Completes a checkpoint whose chunks were acknowledged before it (topic: checkpoints).

    Chunks are records of plain bytes, keyed "owner/id/number".
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: Literal[2] = 2
    owner: str = Field(description="whose state: ingest/SOURCE/PARTITION or forecast/SHARD")
    id: str
    position: int = Field(description="offset of the input to go on from")
    settings: str
    chunks: int = Field(ge=1)
    size: int = Field(ge=0, description="bytes of all chunks together")
    sha256: str = Field(description="of all chunks together")
    signature: str | None = Field(
        default=None,
        description="HMAC-SHA-256, by the checkpoints' key, of all but it and the seal",
    )
    seal: str = Field(description="SHA-256 of the other fields as compact JSON with sorted keys")
