"""Parse raw records leniently: enough to key, date and deal them, never to judge them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from tidecast.state.settings import TimeSettings

__all__ = ["Record", "event_time_reader", "parse_records"]

Record = dict[str, Any]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1}
LAST_TIME = 253_402_300_800_000_000  # the end of the year 9999: no clock goes further


def parse_records(records: Iterable[bytes]) -> list[Record | None]:
    """Return each record's JSON object; None where it is no JSON object."""
    return [_parse(record) for record in records]


def _parse(record: bytes) -> Record | None:
    try:
        value = orjson.loads(record)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def event_time_reader(settings: TimeSettings) -> Callable[[object], int | None]:
    """Return a function from a field's value to microseconds UTC; None where it is no time."""
    if settings.format in UNITS:
        return partial(_from_number, unit=UNITS[settings.format])
    zone = ZoneInfo(settings.zone)
    if settings.format == "iso":
        return partial(_from_iso, zone=zone)
    return lru_cache(65_536)(partial(_from_pattern, pattern=settings.format, zone=zone))


def _from_number(value: object, unit: int) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value * unit) if 0 <= value < LAST_TIME / unit else None


def _from_iso(value: object, zone: ZoneInfo) -> int | None:
    if not isinstance(value, str):
        return None
    try:
        return _microseconds(datetime.fromisoformat(value), zone)
    except ValueError:
        return None


def _from_pattern(value: object, pattern: str, zone: ZoneInfo) -> int | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.strptime(value, pattern)  # noqa: DTZ007 (the zone follows)
        return _microseconds(moment, zone)
    except ValueError:
        return None


def _microseconds(moment: datetime, zone: ZoneInfo) -> int | None:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    time = (moment - EPOCH) // MICROSECOND
    return time if time >= 0 else None
