"""Bins of event time: the arithmetic between instants and bin numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from tidecast.state.settings.base import DAY

__all__ = ["HOUR", "BinGrid", "from_micros", "iso", "to_micros", "width_words"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST_DAY = 49_710  # 2106-02-07, where ClickHouse's DateTime ends
HOUR = 3_600_000_000
UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))

Micros = NDArray[np.int64]


def to_micros(moment: datetime) -> int:
    """Return microseconds since the epoch of an aware datetime."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def from_micros(micros: int) -> datetime:
    """Return the UTC datetime of microseconds since the epoch."""
    return EPOCH + timedelta(microseconds=int(micros))


def iso(micros: int) -> str:
    """Return ISO 8601 text in UTC, with a fraction only where there is one.

    Examples
    --------
    >>> iso(0)
    '1970-01-01T00:00:00Z'
    """
    return from_micros(micros).replace(tzinfo=None).isoformat() + "Z"


def width_words(width: int | Literal["day"]) -> str:
    """Return the width of a bin, microseconds or local days, as people say it.

    Examples
    --------
    >>> width_words(HOUR // 4)
    '15 minutes'
    >>> width_words("day")
    '1 day'
    """
    seconds = 86_400 if width == "day" else width // 1_000_000
    size, unit = next(found for found in UNITS if seconds % found[0] == 0)
    count = seconds // size
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


class BinGrid:
    """Half-open bins [start, end): of a fixed width, or the local days of a time zone.

    Fixed bins are aligned to local midnight by the zone's standard offset, so that an hour bin in
    Kolkata begins on its local hour. Bin numbers grow by one from bin to bin; all times are
    microseconds UTC.

    Examples
    --------
    >>> grid = BinGrid(HOUR, "UTC")
    >>> int(grid.index(np.array([2 * HOUR + 1]))[0])
    2
    >>> BinGrid("day", "Europe/London").local(0).isoformat()
    '1970-01-01T00:00:00+01:00'
    """

    def __init__(self, width: int | Literal["day"], time_zone: str = "UTC") -> None:
        self.width = width
        self.zone = ZoneInfo(time_zone)
        self._shift = 0
        if isinstance(width, int):
            january, july = (datetime(2020, m, 1, tzinfo=self.zone).utcoffset() for m in (1, 7))
            standard = min(january or timedelta(), july or timedelta())
            self._shift = (standard // timedelta(microseconds=1)) % width

    @property
    def nominal_width(self) -> int:
        """Microseconds of an ordinary bin (a day of 24 hours for local days)."""
        return DAY if self.width == "day" else self.width

    @cached_property
    def _midnights(self) -> Micros:
        days = (datetime(1970, 1, 1) + timedelta(days=d) for d in range(-1, LAST_DAY))  # noqa: DTZ001
        return np.array([to_micros(day.replace(tzinfo=self.zone)) for day in days], np.int64)

    def index(self, times: Micros) -> Micros:
        """Return the bin number of each time."""
        if self.width == "day":
            return np.searchsorted(self._midnights, times, side="right") - 2
        return (times + self._shift) // self.width

    def start(self, bin_: int) -> int:
        """Return the first instant of a bin."""
        if self.width == "day":
            return int(self._midnights[min(max(bin_ + 1, 0), LAST_DAY)])
        return bin_ * self.width - self._shift

    def end(self, bin_: int) -> int:
        """Return the instant at which a bin ends: its boundary, and an origin of forecasts."""
        return self.start(bin_ + 1)

    def local(self, bin_: int) -> datetime:
        """Return the local time at which a bin starts."""
        return from_micros(self.start(bin_)).astimezone(self.zone)

    def season_lengths(self) -> tuple[int, ...]:
        """Return the day and the week in bins, where they are between 2 and 2,016 bins."""
        per_day = DAY // self.nominal_width
        return tuple(n for n in (per_day, 7 * per_day) if 2 <= n <= 2016)
