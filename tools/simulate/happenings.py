"""What happens to the shop beside its rhythm: promotions, a flash sale, a stock-out, an opening."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidecast.tools.simulate.shop import CATEGORIES, HOUR, REGIONS, Calendar

__all__ = ["Happening", "Plan", "plan"]

FLASH_SALE = 15.0
PROMOTION = 1.8
PROMOTED_CONVERSION = 1.25
RAMP_HOURS = 72  # from the opening of a region to its full trade


@dataclass(frozen=True)
class Happening:
    """One happening: ``factor`` on the views (a stock-out: on the sales) of [start, end).

    Times are microseconds UTC; an empty region or category means all of them.
    """

    kind: str
    region: str
    category: str
    start: int
    end: int
    factor: float


@dataclass(frozen=True)
class Plan:
    """All happenings, and their factors by (hour, region, category)."""

    happenings: tuple[Happening, ...]
    views: NDArray[np.float64]
    conversion: NDArray[np.float64]
    in_stock: NDArray[np.float64]


def plan(calendar: Calendar) -> Plan:
    """Spread the happenings over the days of ``calendar``."""
    days = int(calendar.day[-1]) + 1
    flash = calendar.first_hour(days * 3 // 4) + 20
    happenings = (
        _days(calendar, "promotion", "", "fashion", days // 4, 2, PROMOTION),
        _days(calendar, "promotion", "", "beauty", days * 4 // 7, 1, PROMOTION),
        _days(calendar, "promotion", "", "fashion", days * 6 // 7, 2, PROMOTION),
        _hours(calendar, "flash_sale", "", "electronics", flash, flash + 2, FLASH_SALE),
        _days(calendar, "stock_out", "Roma", "groceries", days * 5 // 8, 1, 0.0),
        _days(calendar, "opening", "Cagliari", "", days // 2, days, 1.0),
    )
    return Plan(happenings, *_factors(calendar, happenings))


def _days(
    calendar: Calendar, kind: str, region: str, category: str, day: int, n: int, factor: float
) -> Happening:
    first, last = calendar.first_hour(day), calendar.first_hour(day + n)
    return _hours(calendar, kind, region, category, first, last, factor)


def _hours(
    calendar: Calendar, kind: str, region: str, category: str, first: int, last: int, factor: float
) -> Happening:
    start = int(calendar.start[first])
    end = int(calendar.start[min(last, len(calendar)) - 1]) + HOUR
    return Happening(kind, region, category, start, end, factor)


def _factors(
    calendar: Calendar, happenings: tuple[Happening, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    shape = (len(calendar), len(REGIONS), len(CATEGORIES))
    views, conversion, in_stock = np.ones(shape), np.ones(shape), np.ones(shape)
    for happening in happenings:
        where = _place(calendar, happening)
        match happening.kind:
            case "stock_out":
                in_stock[where] = 0.0
            case "opening":
                closed = (slice(0, where[0].start), *where[1:])
                views[closed] = 0.0
                ramp = np.arange(where[0].stop - where[0].start) / RAMP_HOURS
                views[where] *= np.clip(0.2 + ramp, 0.0, 1.0)[:, None, None]
            case _:
                views[where] *= happening.factor
                conversion[where] *= PROMOTED_CONVERSION
    return views, conversion, in_stock


def _place(calendar: Calendar, happening: Happening) -> tuple[slice, slice, slice]:
    first, last = calendar.hour_of(np.array([happening.start, happening.end]))
    return (
        slice(int(first), int(last)),
        _one_or_all([region.name for region in REGIONS], happening.region),
        _one_or_all([category.name for category in CATEGORIES], happening.category),
    )


def _one_or_all(names: list[str], name: str) -> slice:
    if not name:
        return slice(None)
    number = names.index(name)
    return slice(number, number + 1)
