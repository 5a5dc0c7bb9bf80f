"""From the records of the topics to the columns of the store's tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from tidecast.models.scores import BLEND
from tidecast.streams.schemas.forecasts import PredictionRecord, ScoreRecord
from tidecast.streams.schemas.windows import WindowRecord

__all__ = ["actual_columns", "prediction_columns", "score_columns"]


def prediction_columns(records: Sequence[PredictionRecord]) -> dict[str, list[Any]]:
    """Return the columns of ``predictions``, one row a record."""
    return {
        "series": [record.series for record in records],
        "region": [record.region for record in records],
        "category": [record.category for record in records],
        "origin": [_seconds(record.origin) for record in records],
        "valid_time": [[_seconds(time) for time in record.valid_time] for record in records],
        "mean": [record.mean for record in records],
        "quantile_levels": [record.quantile_levels for record in records],
        "quantiles": [record.quantiles for record in records],
        "experts": [list(record.weights) for record in records],
        "weights": [list(record.weights.values()) for record in records],
        "revision": [record.revision for record in records],
    }


def actual_columns(records: Iterable[WindowRecord]) -> dict[str, list[Any]]:
    """Return the columns of ``actuals``, one row a series and cell; a null value becomes NaN."""
    names = (
        *("series", "region", "category", "bin_start", "bin_end"),
        *("value", "censored", "revision"),
    )
    return _columns(names, (row for record in records for row in _actual_rows(record)))


def score_columns(records: Iterable[ScoreRecord], shard: int = 0) -> dict[str, list[Any]]:
    """Return the columns of ``scores``, one row an expert, series and lead that was scored.

    ``shard`` is the partition that the records came from. Only the blend has intervals.
    """
    names = (
        *("shard", "series", "expert", "lead", "valid_time", "n", "abs_error", "squared_error"),
        *("actual", "pinball", "intervals", "covered", "revision"),
    )
    return _columns(names, (row for record in records for row in _score_rows(record, shard)))


def _columns(names: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> dict[str, list[Any]]:
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in names]
    return dict(zip(names, columns, strict=True))


def _actual_rows(record: WindowRecord) -> Iterator[tuple[Any, ...]]:
    start, end = _seconds(record.bin_start), _seconds(record.bin_end)
    cells = list(zip(record.regions, record.categories, strict=True))
    marked = map(set, record.censored or [[]] * len(record.series))
    for series, values, marks in zip(record.series, record.values, marked, strict=True):
        for number, (cell, value) in enumerate(zip(cells, values, strict=True)):
            censored = int(number in marks)
            yield (series, *cell, start, end, _number(value), censored, record.revision)


def _score_rows(record: ScoreRecord, shard: int) -> Iterator[tuple[Any, ...]]:
    valid_time = _seconds(record.valid_time)
    for e, expert in enumerate(record.experts):
        for s, series in enumerate(record.series):
            for lead, n in enumerate(record.n[e][s]):
                if n == 0:
                    continue
                intervals = record.intervals if expert == BLEND else []
                yield (
                    *(shard, series, expert, lead + 1, valid_time, n),
                    record.abs_error[e][s][lead],
                    record.squared_error[e][s][lead],
                    record.actual[e][s][lead],
                    _number(record.pinball[e][s][lead]),
                    intervals,
                    [record.covered[i][s][lead] for i in range(len(intervals))],
                    record.revision,
                )


def _seconds(time: datetime) -> int:
    """Return seconds since 1970; a time without a zone is in UTC, whatever this machine's is."""
    return math.floor((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp())


def _number(value: float | None) -> float:
    return math.nan if value is None else value
