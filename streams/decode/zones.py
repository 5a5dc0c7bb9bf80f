"""Local times by the thousand: from the clock of a time zone to UTC."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from tidecast.state.bins import from_micros
from tidecast.state.settings.base import DAY

__all__ = ["LocalTimes"]

Longs = NDArray[np.int64]
Flags = NDArray[np.bool_]

HOUR = 3_600_000_000
QUARTER = HOUR // 4
CHANGES = 1 << 40  # no offset: it changes within the span
MAX_SPANS = 100_000
MAX_TABLE = 4_096


class LocalTimes:
    """Looks up the offsets of one zone, per day and, where a day has several, per quarter hour.

    A local time that exists twice is the first; one that does not exist has the offset before the
    gap.
    """

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone
        self._offsets: dict[tuple[int, int], int] = {}

    def to_utc(self, local: Longs, sure: Flags) -> tuple[Longs, Flags]:
        """Return microseconds UTC of ``local`` ones; what is not ``sure`` stays so."""
        if self.zone.key == "UTC":
            return local, sure
        if len(self._offsets) > MAX_SPANS:
            self._offsets.clear()
        offsets = np.zeros(len(local), np.int64)
        left = np.flatnonzero(sure)
        for width in (DAY, QUARTER):
            found = self._look_up(local[left] // width, width)
            known = found != CHANGES
            offsets[left[known]] = found[known]
            left = left[~known]
        sure = sure.copy()
        sure[left] = False
        return local - offsets, sure

    def _look_up(self, spans: Longs, width: int) -> Longs:
        distinct, places = _distinct(spans)
        offsets = [self._offset(span * width, width) for span in distinct.tolist()]
        found: Longs = np.array(offsets, np.int64)[places]
        return found

    def _offset(self, start: int, width: int) -> int:
        """Return the offset of a span of local time in microseconds, or CHANGES."""
        if (start, width) not in self._offsets:
            steps = [*range(start, start + width, width // 4), start + width - 1]
            offsets = {self._offset_at(step) for step in steps}
            self._offsets[start, width] = offsets.pop() if len(offsets) == 1 else CHANGES
        return self._offsets[start, width]

    def _offset_at(self, local: int) -> int:
        civil: datetime = from_micros(local).replace(tzinfo=self.zone)
        return (civil.utcoffset() or timedelta()) // timedelta(microseconds=1)


def _distinct(values: Longs) -> tuple[Longs, Longs]:
    """Return the distinct values, and the place of each value among them."""
    if not len(values):
        return values, values
    low = int(values.min())
    if int(values.max()) - low >= MAX_TABLE:
        return np.unique(values, return_inverse=True)
    present = np.bincount(values - low) > 0
    places = np.cumsum(present) - 1
    return np.flatnonzero(present) + low, places[values - low]
