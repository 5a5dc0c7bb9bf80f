"""Forecast beside actual, for single cells and for the total: which to show, and the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidecast.state.cells import ALL, Cell
from tidecast.streams.store import Store
from tidecast.tools.report.questions import CellTotal

__all__ = ["Band", "Choice", "Panel", "cell_panel", "telling_cells", "total_panel"]

BINS_SHOWN = 168
NEWCOMER_SPAN = 0.25  # of the time in which cells appeared: who comes later opened mid-way
NEWCOMER_AFTER = timedelta(days=2)

NEWEST = (
    "SELECT bin_end, value FROM actuals FINAL WHERE series = %(series)s AND region = %(region)s "
    "AND category = %(category)s ORDER BY bin_end DESC LIMIT %(bins)s"
)
OLDEST = NEWEST.replace("DESC", "ASC")
FORECASTS = (
    "SELECT valid_time[%(lead)s] AS time, mean[%(lead)s], quantile_levels, quantiles[%(lead)s] "
    "FROM predictions FINAL WHERE series = %(series)s AND region = %(region)s "
    "AND category = %(category)s AND length(mean) >= %(lead)s ORDER BY origin"
)
TOTAL = (
    "SELECT bin_end, sum(value) FROM actuals FINAL WHERE series = %(series)s "
    "AND NOT isNaN(value) GROUP BY bin_end ORDER BY bin_end DESC LIMIT %(bins)s"
)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Choice:
    """A cell to show, why, and whether its beginning is what to see (else the newest bins)."""

    cell: Cell
    note: str
    beginning: bool = False


@dataclass(frozen=True)
class Band:
    """A central interval holding ``content`` of the probability."""

    content: float
    low: Floats
    high: Floats


@dataclass(frozen=True)
class Panel:
    """One picture: what happened, and what had been forecast of it.

    Times are the ends of bins. A NaN actual is a bin in which nothing was observed, a NaN forecast
    parts the line. ``origins`` are when forecasts were made, where that is to be seen.
    """

    title: str
    note: str
    actual_time: list[datetime]
    actual: Floats
    forecast_time: list[datetime]
    forecast: Floats
    bands: tuple[Band, ...] = ()
    origins: tuple[datetime, ...] = ()


def telling_cells(totals: Sequence[CellTotal], additive: bool) -> list[Choice]:
    """Choose the cells that show the range: biggest, median, sparsest, and one that opened late.

    Cells are ranked by their total, or by observed bins where totals mean nothing (a mean).
    """
    ranked = sorted(totals, key=lambda t: -(t.total if additive else t.observed))
    ranked = [total for total in ranked if total.observed and total.total]
    if len(totals) == 1:
        return [Choice(total.cell, "the only cell") for total in ranked]
    if not ranked:
        return []
    newcomers = _newcomers(ranked)
    old = [total for total in ranked if total not in newcomers]
    chosen = [
        Choice(old[0].cell, "the largest cell"),
        Choice(old[len(old) // 2].cell, "a cell of median size"),
        Choice(old[-1].cell, "the sparsest cell"),
        *(Choice(total.cell, "opened mid-way", True) for total in newcomers[:1]),
    ]
    first: dict[Cell, Choice] = {}
    for choice in chosen:
        first.setdefault(choice.cell, choice)
    return list(first.values())


def _newcomers(ranked: Sequence[CellTotal]) -> list[CellTotal]:
    """Return the cells first seen well after the others, as a region that opens mid-way."""
    first = min(total.first for total in ranked)
    last = max(total.first for total in ranked)
    limit = first + max((last - first) * NEWCOMER_SPAN, NEWCOMER_AFTER)
    return [total for total in ranked if total.first > limit]


def cell_panel(store: Store, series: str, choice: Choice, lead: int) -> Panel | None:
    """Return bins of a cell beside their forecasts, None where there is no forecast."""
    cell = choice.cell
    names = {"series": series, "region": cell.region, "category": cell.category}
    actuals = _rows(store, OLDEST if choice.beginning else NEWEST, bins=BINS_SHOWN, **names)
    forecasts = _rows(store, FORECASTS, lead=lead, **names)
    shown = _within(forecasts, actuals, open_end=not choice.beginning)
    title = f"{cell.region} · {cell.category}"
    return _panel(title, choice.note, actuals, shown) if shown else None


def total_panel(store: Store, series: str, lead: int) -> Panel | None:
    """Return the sum over all cells beside its own forecasts, None where there are none.

    Means add up, quantiles do not: its intervals are those that were forecast of it. A single cell
    has no sum beside it.
    """
    actuals = _rows(store, TOTAL, series=series, bins=BINS_SHOWN)
    names = {"series": series, "region": ALL, "category": ALL}
    shown = _within(_rows(store, FORECASTS, lead=lead, **names), actuals, open_end=True)
    return _panel("All cells", "the sum of the means", actuals, shown) if shown else None


def _rows(store: Store, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
    return sorted(store.query(sql, parameters).rows, key=itemgetter(0))


def _panel(
    title: str,
    note: str,
    actuals: list[tuple[Any, ...]],
    forecasts: list[tuple[Any, ...]],
) -> Panel:
    return Panel(
        title,
        note,
        [row[0] for row in actuals],
        np.array([row[1] for row in actuals], np.float64),
        [row[0] for row in forecasts],
        np.array([row[1] for row in forecasts], np.float64),
        _bands(forecasts),
    )


def _within(
    forecasts: list[tuple[Any, ...]], actuals: list[tuple[Any, ...]], open_end: bool
) -> list[tuple[Any, ...]]:
    """Keep the forecasts of the bins shown, and with an open end those of bins to come."""
    if not actuals:
        return []
    first, last = actuals[0][0], actuals[-1][0]
    return [row for row in forecasts if first <= row[0] and (open_end or row[0] <= last)]


def _bands(rows: list[tuple[Any, ...]]) -> tuple[Band, ...]:
    """Pair the levels that lie evenly around the median, widest first."""
    levels = np.array(rows[0][2], np.float64)
    quantiles = np.array([row[3] for row in rows if len(row[3]) == len(levels)], np.float64)
    if len(quantiles) != len(rows):
        return ()
    bands = []
    for low, level in enumerate(levels[levels < 0.5]):
        high = np.flatnonzero(np.isclose(levels, 1 - level, atol=1e-4))
        if high.size:
            content = float(1 - 2 * level)
            bands.append(Band(content, quantiles[:, low], quantiles[:, high[0]]))
    return tuple(bands)
