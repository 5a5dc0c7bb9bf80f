"""What the report asks of the store; every answer arrives as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidecast.state.cells import Cell
from tidecast.streams.store import Store

__all__ = [
    "BLEND",
    "Accuracy",
    "CellTotal",
    "Coverage",
    "RegionError",
    "Run",
    "accuracy",
    "cell_totals",
    "coverage",
    "expert_weights",
    "region_errors",
    "run_of",
    "series_names",
]

BLEND = "tidecast"
"""The name under which the blend's own scores are kept."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Accuracy:
    """Errors of one expert in one series, by lead from 1; ``wape`` is NaN where nothing was."""

    series: str
    expert: str
    lead: Floats
    n: Floats
    wape: Floats
    total_wape: float


@dataclass(frozen=True)
class Coverage:
    """The share of actuals inside the blend's interval of ``nominal`` content, by day."""

    series: str
    nominal: float
    days: list[date]
    share: Floats
    total: float


@dataclass(frozen=True)
class CellTotal:
    """How much of a series one cell has seen: sum of |values|, observed bins, its first bin."""

    cell: Cell
    total: float
    observed: int
    first: datetime


@dataclass(frozen=True)
class RegionError:
    """A region's sum over categories in a mean bin, and its WAPE over all leads."""

    region: str
    per_bin: float
    wape: float


@dataclass(frozen=True)
class Run:
    """The span and size of what the store holds of one series."""

    bins: int
    cells: int
    start: datetime
    end: datetime


def series_names(store: Store) -> list[str]:
    """Return the series that have actuals, by name."""
    return [str(row[0]) for row in _rows(store, "SELECT DISTINCT series FROM actuals ORDER BY 1")]


def run_of(store: Store, series: str) -> Run:
    """Return the span of the actuals of a series."""
    sql = (
        "SELECT uniqExact(bin_start), uniqExact(region, category), min(bin_start), max(bin_end) "
        "FROM actuals WHERE series = %(series)s"
    )
    return Run(*_rows(store, sql, series=series)[0])


def accuracy(store: Store) -> list[Accuracy]:
    """Return the errors of every expert in every series."""
    sql = (
        "SELECT series, expert, lead, sum(n), sum(abs_error), sum(actual) FROM scores FINAL "
        "GROUP BY series, expert, lead ORDER BY series, expert, lead"
    )
    answers = []
    for (series, expert), rows in _grouped(_rows(store, sql), 2).items():
        lead, n, error, actual = np.array(rows, np.float64).T
        wape = _ratio(error, actual)
        total = float(_ratio(error.sum(keepdims=True), actual.sum(keepdims=True))[0])
        answers.append(Accuracy(series, expert, lead, n, wape, total))
    return answers


def coverage(store: Store) -> list[Coverage]:
    """Return the coverage of every series and nominal interval."""
    sql = (
        "SELECT series, nominal, day, n, coverage FROM coverage_by_day "
        "ORDER BY series, nominal, day"
    )
    answers = []
    for (series, nominal), rows in _grouped(_rows(store, sql), 2).items():
        n = np.array([row[1] for row in rows], np.float64)
        share = np.array([row[2] for row in rows], np.float64)
        total = float(np.nansum(n * share) / n.sum()) if n.sum() else float("nan")
        answers.append(Coverage(series, nominal, [row[0] for row in rows], share, total))
    return answers


def cell_totals(store: Store, series: str) -> list[CellTotal]:
    """Return what each cell of a series has seen, in the order of the cells' names."""
    sql = (
        "SELECT region, category, sum(if(isNaN(value), 0, abs(value))), countIf(NOT isNaN(value)), "
        "min(bin_start) FROM actuals FINAL WHERE series = %(series)s "
        "GROUP BY region, category ORDER BY region, category"
    )
    return [
        CellTotal(Cell(region, category), float(total), int(observed), first)
        for region, category, total, observed, first in _rows(store, sql, series=series)
    ]


def expert_weights(store: Store, series: str) -> dict[str, Floats]:
    """Return the mean weight of each expert by lead, over the newest fifth of the origins."""
    span = "SELECT min(origin), max(origin) FROM predictions WHERE series = %(series)s"
    first, last = _rows(store, span, series=series)[0]
    sql = (
        "SELECT expert, sumForEach(weight) FROM (SELECT expert, weight FROM predictions FINAL "
        "ARRAY JOIN experts AS expert, weights AS weight "
        "WHERE series = %(series)s AND region != '(all)' AND category != '(all)' "
        "AND origin >= toDateTime(%(since)s, 'UTC')) "
        "GROUP BY expert ORDER BY expert"
    )
    since = (last - (last - first) / 5).strftime("%Y-%m-%d %H:%M:%S")
    sums = {
        str(expert): np.array(total, np.float64)
        for expert, total in _rows(store, sql, series=series, since=since)
    }
    whole = np.sum(list(sums.values()), axis=0) if sums else np.zeros(0)
    return {expert: _ratio(total, whole) for expert, total in sums.items()}


def region_errors(store: Store, series: str) -> list[RegionError]:
    """Return the size and the WAPE of each region, over all leads and categories."""
    sql = (
        "SELECT region, sum(abs(value - forecast)), sum(abs(value)) "
        "FROM (SELECT region, category, bin_end, forecast FROM (SELECT region, category, "
        "valid_time, mean FROM predictions FINAL WHERE series = %(series)s) "
        "ARRAY JOIN valid_time AS bin_end, mean AS forecast) AS forecasts "
        "ANY INNER JOIN (SELECT region, category, bin_end, value FROM actuals FINAL "
        "WHERE series = %(series)s AND NOT isNaN(value)) AS observed "
        "USING (region, category, bin_end) GROUP BY region ORDER BY region"
    )
    sizes = _region_sizes(store, series)
    return [
        RegionError(region, sizes[region], error / actual if actual else float("nan"))
        for region, error, actual in _rows(store, sql, series=series)
    ]


def _region_sizes(store: Store, series: str) -> dict[str, float]:
    sql = (
        "SELECT region, sum(if(isNaN(value), 0, value)) / uniqExact(bin_end) FROM actuals FINAL "
        "WHERE series = %(series)s GROUP BY region"
    )
    return {str(region): float(size) for region, size in _rows(store, sql, series=series)}


def _rows(store: Store, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
    return store.query(sql, parameters).rows


def _grouped(
    rows: list[tuple[Any, ...]], n_keys: int
) -> Mapping[tuple[Any, ...], list[tuple[Any, ...]]]:
    groups: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
    for row in rows:
        groups.setdefault(row[:n_keys], []).append(row[n_keys:])
    return groups


def _ratio(over: Floats, under: Floats) -> Floats:
    shares: Floats = np.divide(over, under, out=np.full(over.shape, np.nan), where=under != 0)
    return shares
