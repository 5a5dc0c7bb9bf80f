"""The shop that is simulated: its regions, its categories and its clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from tidecast.state.bins import from_micros, to_micros

__all__ = ["CATEGORIES", "DEPOT", "HOUR", "REGIONS", "TIME_ZONE", "Calendar", "Category", "Region"]

HOUR = 3_600_000_000  # microseconds
TIME_ZONE = "Europe/Rome"
FIRST_DAY = date(2025, 3, 3)  # a Monday; the fourth Sunday after it has 23 hours


@dataclass(frozen=True)
class Region:
    """A region on the map, with its part of the shop's trade (parts need not add up to 1)."""

    name: str
    lat: float
    lng: float
    part: float


@dataclass(frozen=True)
class Category:
    """A category: its part of the trade, and how it is bought.

    ``evening`` and ``weekend`` are factors on those hours, ``growth`` is a factor per week,
    ``extra_units`` the mean number of units beyond the first.
    """

    name: str
    part: float
    price: float
    extra_units: float
    evening: float
    weekend: float
    growth: float


REGIONS = (
    Region("Milano", 45.46, 9.19, 21.0),
    Region("Roma", 41.90, 12.50, 19.0),
    Region("Napoli", 40.85, 14.27, 12.0),
    Region("Torino", 45.07, 7.69, 10.0),
    Region("Bologna", 44.49, 11.34, 8.0),
    Region("Firenze", 43.77, 11.26, 7.0),
    Region("Palermo", 38.12, 13.36, 6.0),
    Region("Genova", 44.41, 8.93, 5.0),
    Region("Venezia", 45.44, 12.33, 4.5),
    Region("Bari", 41.12, 16.87, 4.0),
    Region("Catania", 37.51, 15.08, 2.5),
    Region("Cagliari", 39.22, 9.12, 5.0),
)

CATEGORIES = (
    Category("groceries", 26.0, 12.0, 1.2, 0.8, 1.1, 1.01),
    Category("fashion", 20.0, 45.0, 0.3, 1.3, 1.2, 1.02),
    Category("electronics", 15.0, 180.0, 0.1, 1.2, 0.9, 1.00),
    Category("home", 13.0, 38.0, 0.4, 1.0, 1.3, 1.01),
    Category("beauty", 10.0, 22.0, 0.5, 1.2, 1.0, 1.02),
    Category("garden", 7.0, 28.0, 0.6, 0.6, 1.6, 1.12),
    Category("toys", 6.0, 26.0, 0.4, 1.1, 1.3, 0.98),
    Category("books", 3.0, 16.0, 0.3, 1.4, 1.0, 0.99),
)

DEPOT = REGIONS[4]


@dataclass(frozen=True)
class Calendar:
    """The hours of a simulation: whole local days from ``FIRST_DAY``, in microseconds UTC."""

    start: NDArray[np.int64]  # (hour,)
    local_hour: NDArray[np.int64]
    weekday: NDArray[np.int64]  # 0 is Monday
    day: NDArray[np.int64]  # days since the first

    @classmethod
    def of_days(cls, days: int) -> Calendar:
        """Return the hours of ``days`` local days; a change of the clocks adds or takes one."""
        zone = ZoneInfo(TIME_ZONE)
        first, last = (
            to_micros(datetime.combine(day, datetime.min.time(), zone))
            for day in (FIRST_DAY, FIRST_DAY + timedelta(days=days))
        )
        start = np.arange(first, last, HOUR, dtype=np.int64)
        local = [from_micros(moment).astimezone(zone) for moment in start.tolist()]
        return cls(
            start=start,
            local_hour=np.array([moment.hour for moment in local]),
            weekday=np.array([moment.weekday() for moment in local]),
            day=np.array([(moment.date() - FIRST_DAY).days for moment in local]),
        )

    def __len__(self) -> int:
        return len(self.start)

    @property
    def end(self) -> int:
        """The instant after the last hour."""
        return int(self.start[-1]) + HOUR

    def hour_of(self, times: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of the hour each time lies in."""
        return np.asarray((times - self.start[0]) // HOUR)

    def first_hour(self, day: int) -> int:
        """Return the number of the first hour of a day."""
        return int(np.searchsorted(self.day, day))
