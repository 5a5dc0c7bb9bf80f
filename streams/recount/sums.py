"""The arithmetic of the recount: exact sums by bin and cell in polars, and series of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tidecast.state.settings import SeriesSettings, Settings, SourceSettings
from tidecast.state.settings.events import NUMBERS
from tidecast.streams.decode.judge import Judged

__all__ = [
    "CELL",
    "CENSORED",
    "EVENTS",
    "TOLD",
    "Sums",
    "bin_sums",
    "empty_sums",
    "figures",
    "figures_of",
    "marks_of",
    "series_of",
]

CELL = ("region", "category")
KEY = ("bin", *CELL)
EVENTS = ".events"  # no series can be called so
TOLD = ".told"  # where the late topic tells of late events
CENSORED = " (censored)"  # after the name of a series: whether its values are
REGROUP_ROWS = 500_000

Floats = NDArray[np.float64]


def columns_of(series: SeriesSettings) -> list[str]:
    """Return the names of the sums that ``series`` is made of."""
    marks = [] if series.censored_by is None else [f"{series.name}.marks"]
    if series.aggregate == "ratio":
        return marks
    total = f"{series.name}.sum"
    return [total, f"{series.name}.n", *marks] if series.aggregate == "mean" else [total, *marks]


def all_columns(settings: Settings) -> list[str]:
    """Return the names of all sums; EVENTS counts."""
    return [EVENTS, *(name for series in settings.series for name in columns_of(series))]


def empty_sums(settings: Settings, late: bool = False) -> pl.DataFrame:
    """Return no sums, with all their columns: bin, region, category (late: TOLD) and the sums."""
    keys = [("bin", pl.Int64()), ("region", pl.String()), ("category", pl.String())]
    keys += [(TOLD, pl.Int64())] if late else []
    return pl.DataFrame(schema=[*keys, *((name, pl.Int64()) for name in all_columns(settings))])


def bin_sums(
    settings: Settings,
    source: SourceSettings,
    bins: NDArray[np.int64],
    records: Sequence[Judged],
    told: NDArray[np.int64] | None = None,
) -> pl.DataFrame:
    """Return what ``records``, each of its bin, add up to; late ones also by where ``told``."""
    kinds = pl.Series([record.kind for record in records], dtype=pl.String)
    columns: dict[str, object] = {
        "bin": bins,
        "region": [record.region for record in records],
        "category": [record.category for record in records],
        EVENTS: np.ones(len(records), np.int64),
    }
    for series in settings.series:
        if (by := series.censored_by) is not None and by.stream is source.stream:
            marks = kinds.is_in(list(by.kinds)).to_numpy().astype(np.int64)
            columns[f"{series.name}.marks"] = marks
        if series.aggregate == "ratio" or series.stream is not source.stream:
            continue
        mine = kinds.is_in(list(series.kinds)).to_numpy() if series.kinds else True
        columns |= _addends(series, records, mine)
    key = KEY if told is None else (*KEY, TOLD)
    frame = pl.DataFrame(columns if told is None else columns | {TOLD: told})
    return frame.group_by(key).agg(pl.exclude(key).sum())


def _addends(
    series: SeriesSettings, records: Sequence[Judged], mine: NDArray[np.bool_] | bool
) -> dict[str, NDArray[np.int64]]:
    """Return what each record adds to the sums of ``series``, fixed point."""
    if series.of is None or series.stream is None:
        return {f"{series.name}.sum": np.ones(len(records), np.int64) * mine}
    place = NUMBERS[series.stream].index(series.of)
    numbers = np.array([record.numbers[place] for record in records], np.float64)
    carries = ~np.isnan(numbers) & mine
    fixed = np.rint(np.where(carries, numbers, 0.0) * 10.0**series.decimals).astype(np.int64)
    return {f"{series.name}.sum": fixed} | (
        {f"{series.name}.n": carries.astype(np.int64)} if series.aggregate == "mean" else {}
    )


class Sums:
    """Sums of many chunks of records, by bin and cell; late ones also by TOLD."""

    def __init__(self, settings: Settings, late: bool = False) -> None:
        self._key = (*KEY, TOLD) if late else KEY
        self._whole = empty_sums(settings, late)
        self._parts: list[pl.DataFrame] = []

    def add(self, part: pl.DataFrame) -> None:
        """Add the sums of one chunk."""
        self._parts.append(part)
        if sum(part.height for part in self._parts) > REGROUP_ROWS:
            self.total()

    def total(self) -> pl.DataFrame:
        """Return the sums of all chunks."""
        if self._parts:
            whole = pl.concat([self._whole, *self._parts], how="diagonal")
            self._whole = whole.group_by(self._key).agg(pl.exclude(self._key).sum())
            self._parts = []
        return self._whole


def series_of(settings: Settings, sums: pl.DataFrame) -> Mapping[str, Floats]:
    """Return each series' values, one a row of ``sums``; a mean or ratio of nothing is NaN."""
    values: dict[str, Floats] = {}
    for series in settings.series:
        if series.aggregate != "ratio":
            scale = 10.0 ** (series.decimals if series.of is not None else 0)
            values[series.name] = sums[f"{series.name}.sum"].to_numpy() / scale
        if series.aggregate == "mean":
            counts = sums[f"{series.name}.n"].to_numpy()
            values[series.name] = _quotient(values[series.name], counts.astype(np.float64))
    for series in settings.series:
        if series.aggregate == "ratio":
            over, under = values[str(series.numerator)], values[str(series.denominator)]
            values[series.name] = _quotient(over, under)
    return values


def marks_of(settings: Settings, sums: pl.DataFrame) -> Mapping[str, Floats]:
    """Return, of the series that may be censored, which rows of ``sums`` are: 1, others 0."""
    return {
        series.name: (sums[f"{series.name}.marks"].to_numpy() > 0).astype(np.float64)
        for series in settings.series
        if series.censored_by is not None
    }


def figures(settings: Settings) -> list[str]:
    """Return the names of what cells are compared by: series, and whether they are CENSORED."""
    marked = [series.name for series in settings.series if series.censored_by is not None]
    return [*(series.name for series in settings.series), *(name + CENSORED for name in marked)]


def figures_of(
    settings: Settings, sums: pl.DataFrame, lacking: Collection[str] = ()
) -> Mapping[str, Floats]:
    """Return the ``figures`` of each row of ``sums``, but of no series ``lacking``."""
    values, marks = series_of(settings, sums), marks_of(settings, sums)
    kept = {name: value for name, value in values.items() if name not in lacking}
    return kept | {name + CENSORED: mark for name, mark in marks.items() if name in kept}


def _quotient(over: Floats, under: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(under == 0, np.nan, over / under)
