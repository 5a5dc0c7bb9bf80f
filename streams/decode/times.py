"""Event times, one at a time: what the text or number of a record means."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from tidecast.state.bins import to_micros
from tidecast.state.errors import SettingsError
from tidecast.state.settings import TimeSettings
from tidecast.streams.schemas.events import as_text

__all__ = ["ISO", "UNITS", "parse_epoch", "parse_iso", "time_parser"]

ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:?\d\d)?",
    re.ASCII,
)
UNITS = {"s": 1e6, "ms": 1e3, "us": 1.0}
SAMPLE = datetime(2001, 2, 3, 16, 5, 6, tzinfo=UTC)


def time_parser(time: TimeSettings) -> Callable[[object], int]:
    """Return what turns the value of a record into microseconds UTC, or raises ValueError.

    Raises
    ------
    SettingsError
        When the strptime pattern is not one.
    """
    if time.format in UNITS:
        return partial(parse_epoch, unit=UNITS[time.format])
    zone = ZoneInfo(time.zone)
    if time.format == "iso":
        return partial(parse_iso, zone=zone)
    try:
        datetime.strptime(SAMPLE.strftime(time.format), time.format)  # noqa: DTZ007
    except (ValueError, re.error) as error:
        raise SettingsError(
            f"time.format = {time.format!r} is no strptime pattern: {error}"
        ) from error
    return partial(parse_pattern, pattern=time.format, zone=zone)


def parse_epoch(value: object, unit: float) -> int:
    """Return microseconds of a JSON number of ``unit`` microseconds, rounded half to even."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")
    try:
        return round(float(value) * unit)
    except OverflowError:
        raise ValueError("is too large") from None


def parse_iso(value: object, zone: ZoneInfo) -> int:
    """Return microseconds of an ISO 8601 text; digits beyond the microsecond are cut off."""
    if not isinstance(value, str) or not (match := ISO.fullmatch(value)):
        raise ValueError("must be ISO 8601, such as 2026-01-31T23:59:59Z")
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    micros = int((fraction or "").ljust(6, "0")[:6])
    civil = datetime(
        int(year), int(month), int(day), int(hour), int(minute), int(second or 0), micros, UTC
    )
    if offset is None:
        return _zoned(civil, zone)
    return to_micros(civil) - _offset_minutes(offset) * 60_000_000


def parse_pattern(value: object, pattern: str, zone: ZoneInfo) -> int:
    """Return microseconds of a text written in a strptime ``pattern``."""
    text = as_text(value)
    if not isinstance(text, str):
        raise ValueError(f"must be a text like {pattern}")
    try:
        civil = datetime.strptime(text, pattern)  # noqa: DTZ007
    except ValueError:
        raise ValueError(f"must be a text like {pattern}") from None
    if civil.tzinfo is not None:
        return to_micros(civil)
    return _zoned(civil, zone)


def _offset_minutes(offset: str) -> int:
    if offset == "Z":
        return 0
    hours, minutes = int(offset[1:3]), int(offset[-2:])
    if hours > 23 or minutes > 59:
        raise ValueError("has an offset from UTC that does not exist")
    return (hours * 60 + minutes) * (-1 if offset[0] == "-" else 1)


def _zoned(civil: datetime, zone: ZoneInfo) -> int:
    offset = civil.replace(tzinfo=zone).utcoffset() or timedelta()
    return to_micros(civil.replace(tzinfo=UTC)) - offset // timedelta(microseconds=1)
