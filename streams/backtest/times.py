"""Times of a long table, and the width of its bins as people write it."""

from __future__ import annotations

import re
from typing import Literal

import polars as pl

from tidecast.state.bins import BinGrid
from tidecast.state.errors import LogError, SettingsError
from tidecast.state.settings.base import DAY

__all__ = ["micros_of", "parse_frequency"]

_FREQUENCY = re.compile(r"(\d*)\s*(s|sec|min|m|t|h|hour|d|day)s?", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "t": 60, "h": 3_600, "d": 86_400}

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

    Null where there is no time, or no such local time (clocks went forward).

    Raises
    ------
    LogError
        When the column holds no times.
    """
    found = _of_epoch(times, name) if times.dtype.is_integer() else _of_dates(times, name, grid)
    if not found.drop_nulls().is_between(FIRST, LAST).all():
        raise LogError(f"column {name!r} holds times before 1970 or after 2105: mend or drop them")
    return found


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
    """Return datetimes of texts."""
    try:
        return times.str.to_datetime(time_unit="us")
    except pl.exceptions.PolarsError:
        pass  # offsets need to be named
    try:
        return times.str.to_datetime("%+", time_unit="us", time_zone="UTC")
    except pl.exceptions.PolarsError as error:
        raise LogError(
            f"column {name!r} holds texts such as {_odd(times)!r}, which are no times, or written "
            "unlike the others: write ISO 8601 (2024-03-01 12:00:00), all with an offset or none"
        ) from error


def _odd(times: pl.Series) -> str:
    """Return the first text that is no time in the way in which most are."""
    texts = times.drop_nulls()
    aware = texts.str.to_datetime("%+", time_zone="UTC", strict=False)
    try:
        plain = texts.str.to_datetime(strict=False)
    except pl.exceptions.PolarsError:  # the first is like no time at all
        plain = aware
    read = min(plain, aware, key=pl.Series.null_count)
    return str(texts.filter(read.is_null()).first())
