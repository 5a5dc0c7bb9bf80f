"""Rows of records that agree about a jump in time."""

from __future__ import annotations

from dataclasses import astuple, dataclass

from tidecast.state.bins import HOUR

__all__ = ["CONFIRMATIONS", "Row", "Rows", "Usual"]

CONFIRMATIONS = 5
"""How many records must agree, or disagree, with one that jumped."""

MANY = 1_000
"""So many in a row may be what one client with a wrong clock had kept; more are believed."""

DAY = 24 * HOUR
ALMOST = 0.25  # of the usual pace


@dataclass(frozen=True)
class Usual:
    """How many records a partition had, over how many microseconds of event time."""

    count: int
    span: int

    def within(self, span: int) -> float:
        """Return how many records it usually has in ``span`` microseconds."""
        return self.count * span / self.span


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

    A row is confirmed once CONFIRMATIONS records have followed its first in agreement, it spans
    ``width`` microseconds by itself, and it looks like the partition's own traffic rather than
    what one client had kept until it could send: it has more than MANY records, and those of a
    usual bin; or it goes on for an hour almost at the usual pace; or for a day at any pace.
    Where nothing is usual yet, the width is enough. Where records are rarer than ``max_gap``, as
    many rows on top of a row stand for all that.

    There are never more rows than that, and hearing a record costs the same however many came.

    Examples
    --------
    >>> rows = Rows(max_gap=100, width=10)
    >>> for time in (500, 500, 900, 502, 505, 900, 508):
    ...     rows.hear(time)
    >>> rows.confirmed(usual=None)
    >>> rows.hear(510)
    >>> rows.confirmed(usual=None)
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

    def confirmed(self, usual: Usual | None) -> Row | None:
        """Return the furthest row that is confirmed."""
        for place in range(len(self._rows) - 1, -1, -1):
            is_rare = len(self._rows) - place > CONFIRMATIONS
            if self._agrees(place) and (is_rare or self._goes_on(place, usual)):
                return self._rows[place]
        return None

    def _goes_on(self, place: int, usual: Usual | None) -> bool:
        """Tell whether a row is like a feed that goes on."""
        count, span = self._count(place), self._rows[place].high - self._rows[place].low
        if span < self._width:
            return False
        if usual is None or span >= DAY:
            return True
        if span >= HOUR and count >= ALMOST * usual.within(span):
            return True
        return count > max(MANY, usual.within(self._width))

    def agreed(self) -> Row | None:
        """Return the nearest row that CONFIRMATIONS records agree to, over whatever span."""
        return self._rows[0] if self._rows and self._agrees(0) else None

    def _agrees(self, place: int) -> bool:
        return self._count(place) > CONFIRMATIONS

    def _count(self, place: int) -> int:
        return sum(row.count for row in self._rows[place:])

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
