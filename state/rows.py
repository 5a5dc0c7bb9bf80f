"""Rows of records that agree about a jump in time."""

from __future__ import annotations

from dataclasses import astuple, dataclass

__all__ = ["CONFIRMATIONS", "Row", "Rows"]

CONFIRMATIONS = 5
"""How many records must agree, or disagree, with one that jumped."""


@dataclass
class Row:
    """Records of one time: ``count`` of them, each near to the span from ``low`` to ``high``."""

    low: int
    high: int
    count: int = 1

    def add(self, time: int) -> None:
        """Take one more record."""
        self.low, self.high = min(self.low, time), max(self.high, time)
        self.count += 1


class Rows:
    """The jumps that no record has contradicted since, the nearest time first.

    A record agrees with a jump if it is dated as far ahead, less ``max_gap``; one dated earlier
    ends the row. Records further ahead than that have a row of their own on top. So of two wrong
    clocks neither makes the other believed, and a right one is not kept waiting by them.

    A row is confirmed once CONFIRMATIONS records have followed its first in agreement, and it
    spans ``width`` microseconds by itself: a burst of one client does not, a feed that goes on
    does. Where records are rarer than ``max_gap``, as many rows on top of it stand for the span.
    There are never more rows than that, and hearing a record costs the same however many came.

    Examples
    --------
    >>> rows = Rows(max_gap=100, width=10)
    >>> for time in (500, 500, 900, 502, 505, 900, 508):
    ...     rows.hear(time)
    >>> rows.confirmed()
    >>> rows.hear(510)
    >>> rows.confirmed()
    Row(low=500, high=510, count=6)
    """

    def __init__(self, max_gap: int, width: int) -> None:
        self._max_gap = max_gap
        self._width = width
        self._rows: list[Row] = []

    def hear(self, time: int) -> None:
        """Take the next record that jumps."""
        while self._rows and time < self._rows[-1].low - self._max_gap:
            self._rows.pop()
        if self._rows and time <= self._rows[-1].high + self._max_gap:
            self._rows[-1].add(time)
        else:
            self._rows.append(Row(time, time))

    def confirmed(self) -> Row | None:
        """Return the furthest row that is confirmed."""
        for place in range(len(self._rows) - 1, -1, -1):
            row = self._rows[place]
            goes_on = row.high - row.low >= self._width
            if self._agrees(place) and (goes_on or len(self._rows) - place > CONFIRMATIONS):
                return row
        return None

    def agreed(self) -> Row | None:
        """Return the nearest row that CONFIRMATIONS records agree to, over whatever span."""
        return self._rows[0] if self._rows and self._agrees(0) else None

    def _agrees(self, place: int) -> bool:
        return sum(row.count for row in self._rows[place:]) > CONFIRMATIONS

    def drop_up_to(self, time: int) -> None:
        """Forget the rows that begin by ``time``: they are ahead no more."""
        self._rows = [row for row in self._rows if row.low > time]

    def clear(self) -> None:
        """Forget all rows: a record has contradicted them."""
        self._rows = []

    def snapshot(self) -> list[tuple[int, ...]]:
        """Return what ``restore`` needs."""
        return [astuple(row) for row in self._rows]

    def restore(self, values: list[tuple[int, ...]]) -> None:
        """Become the rows that ``snapshot`` was taken of."""
        self._rows = [Row(*row) for row in values]
