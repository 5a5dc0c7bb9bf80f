"""Times of a long table, and the width of its bins as people write it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Literal

import polars as pl

from tidecast.state.bins import BinGrid
from tidecast.state.errors import LogError, SettingsError
from tidecast.state.settings.base import DAY

__all__ = ["micros_of", "parse_frequency", "undecided"]

_FREQUENCY = re.compile(r"(\d*)\s*(s|sec|min|m|t|h|hour|d|day)s?", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "t": 60, "h": 3_600, "d": 86_400}

_DAY_AND_MONTH = r"^\s*(\d{1,2})[/-](\d{1,2})[/-](\d{4})\b"
_ORDERS = ("$3-$2-$1", "$3-$1-$2")
"""Year, month and day of these, the day first and the month first."""

_CLOCKS = (None, "%Y-%m-%d %I:%M:%S %p", "%Y-%m-%d %I:%M %p")
"""What may stand behind a date: what polars knows, and hours of half a day."""

_AWARE = "%+"
"""ISO 8601 with an offset."""

EPOCH_UNITS = ((10**8, 0), (10**11, 1_000_000), (10**14, 1_000), (10**17, 1))
"""Whole numbers below these are nothing, seconds, milliseconds, microseconds of the Unix epoch."""

FIRST, LAST = 0, 49_710 * DAY
"""What a grid of bins holds: 1970 to 2106."""


def parse_frequency(text: str) -> int | Literal["day"]:
    """Return the width of bins, in microseconds or as "day", of ``1h``, ``15min``, ``1D``.

    Raises
    ------
    SettingsError
        When it is no such width, or does not divide a day.

    Examples
    --------
    >>> parse_frequency("15min"), parse_frequency("1D")
    (900000000, 'day')
    """
    written = text.strip()
    # "1M" is a month to those who know it from pandas: no minute.
    match = _FREQUENCY.fullmatch(written if written.endswith("M") else written.lower())
    width = int(match[1] or 1) * _SECONDS[match[2][0]] * 1_000_000 if match else 0
    if not width or DAY % width:
        raise SettingsError(
            f"freq {text!r}: write the width of a bin as 1h, 15min or 1D; it must divide a day"
        )
    return "day" if width == DAY else width


def micros_of(times: pl.Series, name: str, grid: BinGrid) -> pl.Series:
    """Return microseconds UTC; what carries no offset is local time of the grid's zone.

    The day comes first in texts such as 01/02/2024, unless only with the month first all of them
    are dates. Null where there is no time, or no such local time (clocks went forward).

    Raises
    ------
    LogError
        When the column holds no times.
    """
    found = _of_epoch(times, name) if times.dtype.is_integer() else _of_dates(times, name, grid)
    if not found.drop_nulls().is_between(FIRST, LAST).all():
        raise LogError(
            f"column {name!r} holds times before 1970 or after 2105: mend or drop them, and "
            "write years in four digits"
        )
    return found


def undecided(texts: pl.Series) -> tuple[int, int, int] | None:
    """Return (day, month, year) of the first date that is another one if the month comes first.

    None where some text tells which comes first, or not all are of that kind.

    Examples
    --------
    >>> undecided(pl.Series(["01/01/2024", "01/02/2024"]))
    (1, 2, 2024)
    >>> undecided(pl.Series(["01/02/2024", "13/02/2024"])) is None
    True
    """
    parts = texts.drop_nulls().str.extract_groups(_DAY_AND_MONTH).struct.unnest().cast(pl.Int64)
    later = parts.select(pl.max_horizontal("1", "2")).to_series()
    if later.has_nulls() or (later > 12).any():
        return None
    apart = parts.filter(pl.col("1") != pl.col("2"))
    return apart.row(0) if apart.height else None


def _of_dates(times: pl.Series, name: str, grid: BinGrid) -> pl.Series:
    """Return microseconds of dates, datetimes or texts."""
    if times.dtype == pl.String:
        times = _parsed(times, name)
    if times.dtype == pl.Date:
        times = times.cast(pl.Datetime("us"))
    if not isinstance(times.dtype, pl.Datetime):
        raise LogError(f"column {name!r} holds {times.dtype}, not times: say --time NAME")
    if times.dtype.time_zone is None:
        zone = str(grid.zone)
        times = times.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return times.dt.timestamp("us").cast(pl.Int64)


def _of_epoch(times: pl.Series, name: str) -> pl.Series:
    """Return microseconds of numbers whose size tells their unit."""
    numbers = times.cast(pl.Int64)
    largest = int(numbers.drop_nulls().abs().to_numpy().max(initial=0))
    factor = next((factor for limit, factor in EPOCH_UNITS if largest < limit), None)
    if factor is None:
        return numbers // 1_000
    if not factor:
        raise LogError(
            f"column {name!r} holds whole numbers up to {largest}, which are no times since 1970: "
            "say --time NAME, or write ISO 8601 (2024-03-01 12:00:00)"
        )
    return numbers * factor


def _parsed(times: pl.Series, name: str) -> pl.Series:
    """Return datetimes of texts, all read in one way."""
    for texts, form in _ways(times):
        try:
            return _read(texts, form)
        except pl.exceptions.PolarsError:
            pass  # another way, then
    raise LogError(
        f"column {name!r} holds texts such as {_odd(times)!r}, which are no times, or written "
        "unlike the others: write ISO 8601 (2024-03-01 12:00:00), all with an offset or none"
    )


def _ways(times: pl.Series) -> Iterator[tuple[pl.Series, str | None]]:
    """Yield the ways in which texts may be read: the texts, dates as in ISO 8601, and a format."""
    yield times, None
    yield times, _AWARE
    for order in _ORDERS:
        texts = times.str.replace(_DAY_AND_MONTH, order)
        yield from ((texts, clock) for clock in _CLOCKS)


def _read(texts: pl.Series, form: str | None, strict: bool = True) -> pl.Series:
    zone = "UTC" if form == _AWARE else None
    return texts.str.to_datetime(form, time_unit="us", time_zone=zone, strict=strict)


def _odd(times: pl.Series) -> str:
    """Return the first text that is no time in the way in which most are."""
    present = times.drop_nulls()
    readings = []
    for texts, form in _ways(present):
        with suppress(pl.exceptions.PolarsError):  # the first is like no time at all
            readings.append(_read(texts, form, strict=False))
    read = min(readings, key=pl.Series.null_count)
    return str(present.filter(read.is_null()).first())
