"""ISO 8601 times by the thousand: integer arithmetic on a matrix of bytes.

The grammar is that of ``parse_iso``; a text that is not surely in it is left to the judge.
"""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from tidecast.streams.decode.times import ISO
from tidecast.streams.decode.zones import LocalTimes

__all__ = ["IsoTimes", "windows"]

Bytes = NDArray[np.uint8]
Longs = NDArray[np.int64]
Flags = NDArray[np.bool_]

MAX_LAYOUTS = 4  # more in one batch are odd enough for the judge
DAYS_BEFORE_MONTH = np.array([0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334], np.int32)
DAYS_IN_MONTH = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], np.int32)
MINUTE = 60_000_000


def windows(buffer: Bytes, starts: Longs, length: int) -> Bytes:
    """Return the ``length`` bytes at each start, (text, byte)."""
    view = np.ndarray((len(buffer) - length + 1,), f"V{length}", buffer.data, 0, (1,))
    return view[starts].view(np.uint8).reshape(len(starts), length)


@dataclass(frozen=True)
class Layout:
    """Where the parts of a time stand in texts of one length."""

    text: bytes
    digits: Flags
    second: bool
    fraction: tuple[int, int]
    offset: int

    @classmethod
    def of(cls, text: bytes) -> Layout | None:
        """Return the layout that ``text`` is an example of, or None if it is no ISO time."""
        match = ISO.fullmatch(text.decode("latin-1"))
        if match is None:
            return None
        digits = np.array([48 <= byte <= 57 for byte in text])
        fraction = match.span(7) if match[7] else (0, 0)
        offset = match.start(8) if match[8] and match[8] != "Z" else 0
        return cls(text, digits, match[6] is not None, fraction, offset)

    def fits(self, columns: Bytes) -> Flags:
        """Tell which of the texts in ``columns``, (byte, text), are written in this layout."""
        example = np.frombuffer(self.text, np.uint8)
        low = np.where(self.digits, 48, example).astype(np.uint8)[:, None]
        spread = np.where(self.digits, 9, 0).astype(np.uint8)[:, None]
        fits: Flags = np.all(columns - low <= spread, axis=0)
        return fits


class IsoTimes:
    """Reads ISO 8601 texts of one source; texts without an offset are in ``zone``."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._local = LocalTimes(zone)

    def read(self, buffer: Bytes, starts: Longs, lengths: Longs) -> tuple[Longs, Flags]:
        """Return microseconds UTC of texts in ``buffer``, and which of them are sure."""
        times = np.zeros(len(starts), np.int64)
        sure = np.zeros(len(starts), np.bool_)
        left = np.arange(len(starts))
        for _ in range(MAX_LAYOUTS):
            if not len(left):
                break
            left = self._read_like_first(buffer, starts, lengths, left, times, sure)
        return times, sure

    def _read_like_first(
        self,
        buffer: Bytes,
        starts: Longs,
        lengths: Longs,
        left: Longs,
        times: Longs,
        sure: Flags,
    ) -> Longs:
        length = int(lengths[left[0]])
        first = int(starts[left[0]])
        layout = Layout.of(buffer[first : first + length].tobytes())
        if layout is None:
            return left[1:]
        same = lengths[left] == length
        columns = np.ascontiguousarray(windows(buffer, starts[left[same]], length).T)
        fits = layout.fits(columns)  # columns are (byte, text)
        if not fits.all():
            columns = columns[:, fits]
            same[same] = fits
        chosen = left[same]
        times[chosen], sure[chosen] = self._read_columns(columns - np.uint8(48), layout)
        rest: Longs = left[~same]
        return rest

    def _read_columns(self, columns: Bytes, layout: Layout) -> tuple[Longs, Flags]:
        days, sure = _days(columns)
        hour, minute = _two(columns, 11), _two(columns, 14)
        second = _two(columns, 17) if layout.second else np.uint8(0)
        sure &= (hour < 24) & (minute < 60) & (second < 60)
        clock = hour * np.int32(3600) + minute * np.int32(60) + second
        times = (days * np.int64(86_400) + clock) * 1_000_000
        if layout.fraction[1]:
            times += _fraction(columns, *layout.fraction)
        if layout.offset:
            return self._with_offset(times, sure, columns, layout)
        if layout.text.endswith(b"Z"):
            return times, sure
        return self._local.to_utc(times, sure)

    def _with_offset(
        self, times: Longs, sure: Flags, columns: Bytes, layout: Layout
    ) -> tuple[Longs, Flags]:
        at = layout.offset
        hours, minutes = _two(columns, at + 1), _two(columns, len(layout.text) - 2)
        sure &= (hours < 24) & (minutes < 60)
        sign = -1 if layout.text[at : at + 1] == b"+" else 1
        return times + sign * (hours * np.int64(60) + minutes) * MINUTE, sure


def _two(columns: Bytes, at: int) -> Bytes:
    value: Bytes = columns[at] * np.uint8(10) + columns[at + 1]
    return value


def _fraction(columns: Bytes, start: int, end: int) -> Longs:
    end = min(end, start + 6)
    value: Longs = columns[start].astype(np.int64)
    for at in range(start + 1, end):
        value = value * 10 + columns[at]
    value *= 10 ** (6 - (end - start))
    return value


def _days(columns: Bytes) -> tuple[NDArray[np.int32], Flags]:
    """Return days since 1970-01-01 of the dates, and which of the dates exist."""
    year = _two(columns, 0) * np.int32(100) + _two(columns, 2)
    month, day = _two(columns, 5), _two(columns, 8)
    sure = (year > 0) & (month > 0) & (month < 13)
    month = np.where(sure, month, np.uint8(1))
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    sure &= (day > 0) & (day <= DAYS_IN_MONTH[month] + (leap & (month == 2)))
    before = year - 1
    days = before * 365 + before // 4 - before // 100 + before // 400 - 719_162
    return days + DAYS_BEFORE_MONTH[month] + (leap & (month > 2)) + day - 1, sure
