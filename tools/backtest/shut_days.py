"""Days on which a shop was shut, and whose public holidays they look like."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np

from tidecast.state.holidays import holidays_between, known_codes
from tidecast.streams.backtest.table import Table

__all__ = ["note_of_shut_days"]

OPEN = 0.75
"""Share of weeks in which something was sold on a weekday, from which the shop is open on it."""

FEWEST = 5
"""Holidays on which a shop must have been shut: fewer are soon found by chance."""

MOST_SHUT = 0.8
"""Share of a country's holidays, on days on which the shop else is open, that it must keep."""


def note_of_shut_days(table: Table) -> Iterator[str]:
    """Yield a line if the shop was shut on the public holidays of a country, and which to name.

    A day is shut on which no cell has a value above 0, though most of such weekdays have one. The
    country is that of whose holidays the most were kept, less those that were not; the first of
    such in alphabetical order. It is a guess, from all days of the table: nothing is made of it.
    """
    days, selling = _days(table), _selling(table)
    ordinary = _ordinary(days, selling)
    shut = ordinary - selling
    if len(shut) < FEWEST:
        return
    best, kept, held = "", frozenset[date](), frozenset[date]()
    for code in known_codes():
        theirs = holidays_between(code, days[0], days[-1]) & ordinary
        both = theirs & shut
        if 2 * len(both) - len(theirs) > 2 * len(kept) - len(held):
            best, kept, held = code, both, theirs
    if len(kept) >= FEWEST and len(kept) >= MOST_SHUT * len(held):
        yield (
            f"nothing was sold on {len(kept)} of {len(held)} public holidays of {best}, such as "
            f"{min(kept)}: if they are the shop's, --holidays {best} makes them known ahead"
        )


def _days(table: Table) -> list[date]:
    """Return every local day of the table."""
    first, last = (table.grid.local(bin_).date() for bin_ in (table.first_bin, table.last_bin))
    return [first + timedelta(number) for number in range((last - first).days + 1)]


def _selling(table: Table) -> set[date]:
    """Return the local days on which a cell has a value above 0."""
    bins = np.unique(table.bins[(table.values > 0).any(axis=1)])
    return {table.grid.local(bin_).date() for bin_ in bins.tolist()}


def _ordinary(days: list[date], selling: set[date]) -> set[date]:
    """Return the days of the weekdays on which the shop is open in most weeks."""
    found: set[date] = set()
    for weekday in range(7):
        alike = {day for day in days if day.weekday() == weekday}
        if len(alike & selling) >= OPEN * len(alike):
            found |= alike
    return found
