"""The records of what the forecaster gives out: predictions, scores, and how far time has come."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from pydantic import Field, model_validator

from tidecast.streams.schemas.record import Record

__all__ = ["PredictionRecord", "ProgressRecord", "ScoreRecord"]


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


class ProgressRecord(Record):
    """How far a shard's time has come (topic: progress); the last one counts.

    Every bin before ``next_bin`` is closed, with a slab or without one while the feed slept.
    """

    shard: int = Field(ge=0)
    next_bin: int
    time: datetime = Field(description="end of the last closed bin")
    position: int = Field(ge=0, description="offset of the cuts topic read up to")
