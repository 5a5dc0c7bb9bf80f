"""The records of a batch as one buffer of bytes, and what must be known before it is cut up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["MARGIN", "Lines"]

MARGIN = 2_048
"""Bytes in front of the first record and behind the last, so that windows may reach over."""

ROOM = b"\n" * (MARGIN - 1)
QUOTE, BACKSLASH, NEWLINE, SPACE, LAST_ASCII = b'"\\\n \x7f'

Bytes = NDArray[np.uint8]
Longs = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Lines:
    """Records one behind the other.

    ``clean`` records hold UTF-8 without control characters and backslashes, and are not too long:
    every quotation mark in them begins or ends a JSON string. ``quotes`` are the places of all
    quotation marks; a record's own begin at ``first_quote`` and are ``quote_counts`` many.
    """

    buffer: Bytes
    starts: Longs
    ends: Longs
    clean: Flags
    quotes: Longs
    first_quote: Longs
    quote_counts: Longs

    @classmethod
    def of(cls, records: Sequence[bytes], record_bytes: int) -> Lines:
        """Lay out ``records``."""
        joined = b"\n".join((ROOM, *records, ROOM))
        buffer = np.frombuffer(joined, np.uint8)
        lengths = np.fromiter(map(len, records), np.int64, len(records))
        ends = np.cumsum(lengths + 1) + (MARGIN - 1)
        starts = ends - lengths
        clean = lengths <= record_bytes
        expected = len(records) + 2 * len(ROOM) + 1
        if np.count_nonzero(buffer < SPACE) != expected:
            _clear(clean, starts, np.flatnonzero((buffer < SPACE) & (buffer != NEWLINE)))
            _clear(clean, starts, _newlines_within(buffer, starts, ends))
        if b"\\" in joined:
            _clear(clean, starts, np.flatnonzero(buffer == BACKSLASH))
        if not joined.isascii() and not _is_utf8(joined):
            _clear(clean, starts, np.flatnonzero(buffer > LAST_ASCII))
        quotes = np.flatnonzero(buffer == QUOTE)
        return cls(buffer, starts, ends, clean, quotes, *_dealt(quotes, starts, ends))


def _dealt(quotes: Longs, starts: Longs, ends: Longs) -> tuple[Longs, Longs]:
    """Return which quotation mark is the first of each record, and how many each has."""
    count, rest = divmod(len(quotes), max(len(starts), 1))
    if count and not rest:  # mostly all records have as many: then this is enough
        table = quotes.reshape(-1, count)
        if (table[:, 0] >= starts).all() and (table[:, -1] < ends).all():
            return np.arange(0, len(quotes), count), np.full(len(starts), count)
    first = np.searchsorted(quotes, starts)
    return first, np.searchsorted(quotes, ends) - first


def _clear(clean: Flags, starts: Longs, places: Longs) -> None:
    clean[np.searchsorted(starts, places, side="right") - 1] = False


def _newlines_within(buffer: Bytes, starts: Longs, ends: Longs) -> Longs:
    places = np.flatnonzero(buffer == NEWLINE)
    within = (places >= starts[0]) & (places < ends[-1])
    return np.setdiff1d(places[within], ends, assume_unique=True)


def _is_utf8(joined: bytes) -> bool:
    try:
        joined.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
