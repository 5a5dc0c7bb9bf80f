"""Terms: the integer sums that series are made of.

A count is one term, a sum is one, a mean is two (a sum and how many values it holds), a ratio has
none of its own: it divides the terms of two other series. Events that mark bins of a series as
censored are one more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidecast.state.settings import SeriesSettings, Settings, SourceSettings, StreamKind

__all__ = ["Term", "all_terms", "series_counts", "series_marks", "series_values", "source_terms"]


@dataclass(frozen=True)
class Term:
    """One additive int64 sum over the events of a stream.

    ``of`` is the number that is added up in units of 10**-``decimals``; without it each event
    adds 1, and with ``counts`` each event that carries ``of`` adds 1. ``kinds`` keeps only events
    of these kinds; empty keeps all. One that ``marks`` tells which bins of the series are censored,
    and is no part of its value.
    """

    series: int
    stream: StreamKind
    of: str | None = None
    counts: bool = False
    kinds: tuple[str, ...] = ()
    decimals: int = 0
    marks: bool = False


def all_terms(settings: Settings) -> tuple[Term, ...]:
    """Return the terms of all series, in the order of the columns of a slab's sums."""
    return tuple(
        term
        for number, series in enumerate(settings.series)
        for term in (*_value_terms(number, series), *_mark_terms(number, series))
    )


def _value_terms(number: int, series: SeriesSettings) -> Iterator[Term]:
    if series.stream is None:
        return
    if series.aggregate == "count":
        yield Term(number, series.stream, kinds=series.kinds)
        return
    yield Term(number, series.stream, series.of, False, series.kinds, series.decimals)
    if series.aggregate == "mean":
        yield Term(number, series.stream, series.of, True, series.kinds)


def _mark_terms(number: int, series: SeriesSettings) -> Iterator[Term]:
    if (marks := series.censored_by) is not None:
        yield Term(number, marks.stream, kinds=marks.kinds, marks=True)


def source_terms(settings: Settings, source: SourceSettings) -> tuple[Term, ...]:
    """Return the terms that events of ``source`` add to, in the order of ``all_terms``."""
    return tuple(term for term in all_terms(settings) if term.stream is source.stream)


def series_values(settings: Settings, sums: NDArray[np.int64]) -> NDArray[np.float64]:
    """Turn sums, (term, cell), into values, (cell, series); a mean or ratio of nothing is NaN."""
    values = np.full((sums.shape[1], len(settings.series)), np.nan)  # (cell, series)
    for number, (over, under) in enumerate(_quotients(settings, sums)):
        values[:, number] = over if under is None else _divide(over, under)
    return values


def series_counts(settings: Settings, sums: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Return how much each mean or ratio is of, (cell, series), NaN for counts and sums.

    It is the number of values that a mean holds, or what a ratio divides by. None where there is
    neither.
    """
    parts = list(_quotients(settings, sums))
    if all(under is None for _, under in parts):
        return None
    nothing = np.full(sums.shape[1], np.nan)
    return np.stack([nothing if under is None else under for _, under in parts], axis=1)


Column = NDArray[np.float64]  # (cell,)


def _quotients(
    settings: Settings, sums: NDArray[np.int64]
) -> Iterator[tuple[Column, Column | None]]:
    """Yield what the values of each series are made of: a sum, and what it is divided by."""
    columns: dict[int, list[Column]] = {}
    for term, column in zip(all_terms(settings), sums, strict=True):
        if not term.marks:
            columns.setdefault(term.series, []).append(column / 10.0**term.decimals)
    names = [series.name for series in settings.series]
    for number, series in enumerate(settings.series):
        if series.aggregate == "ratio":
            over, under = (names.index(str(s)) for s in (series.numerator, series.denominator))
            yield columns[over][0], columns[under][0]
        elif series.aggregate == "mean":
            yield columns[number][0], columns[number][1]
        else:
            yield columns[number][0], None


def series_marks(settings: Settings, sums: NDArray[np.int64]) -> NDArray[np.bool_] | None:
    """Return where sums, (term, cell), mark a value as censored, (cell, series); None = nowhere."""
    marks = np.zeros((sums.shape[1], len(settings.series)), np.bool_)  # (cell, series)
    for term, column in zip(all_terms(settings), sums, strict=True):
        if term.marks:
            marks[:, term.series] = column > 0
    return marks if marks.any() else None


def _divide(over: NDArray[np.float64], under: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(over, under, out=np.full_like(over, np.nan), where=under != 0)
