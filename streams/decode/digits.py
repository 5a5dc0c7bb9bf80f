"""JSON numbers by the thousand: integer arithmetic on columns of bytes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.streams.decode.iso import windows

__all__ = ["LONGEST_NUMBER", "read_numbers"]

LONGEST_NUMBER = 19
"""The longest text that is read here; the judge reads longer ones."""

EXACT = 1 << 53
POWERS = 10.0 ** np.arange(LONGEST_NUMBER + 1)
MINUS, POINT, ZERO = (np.uint8(byte) for byte in b"-.0")

Bytes = NDArray[np.uint8]
Longs = NDArray[np.int64]
Flags = NDArray[np.bool_]


def read_numbers(buffer: Bytes, starts: Longs, ends: Longs) -> tuple[NDArray[np.float64], Flags]:
    """Return the numbers between ``starts`` and ``ends`` in ``buffer``, and which are sure.

    Sure are plain decimals whose digits, read as a whole number, are exact in a float64: dividing
    them by a power of ten then rounds just once, as reading the text does. There must be
    LONGEST_NUMBER bytes in front of every end.
    """
    negative = buffer[starts] == MINUS
    starts = starts + negative
    lengths = ends - starts
    sure = (lengths > 0) & (lengths <= LONGEST_NUMBER)
    width = int(lengths.max(where=sure, initial=1))
    columns = np.ascontiguousarray(windows(buffer, ends - width, width).T)  # (byte, number)
    inside = np.arange(width)[:, None] >= width - lengths
    digits = columns - ZERO
    is_digit = (digits <= 9) & inside
    is_point = (columns == POINT) & inside
    whole, fraction = _accumulate(digits, is_digit, is_point)
    points = is_point.sum(axis=0, dtype=np.int64)
    sure &= is_digit.sum(axis=0, dtype=np.int64) + points == lengths
    sure &= (points <= 1) & is_digit[-1] & _no_needless_zero(buffer, starts) & (whole <= EXACT)
    values = np.where(sure, whole, 0) / POWERS[np.where(sure, fraction, 0)]
    return np.where(negative, -values, values), sure


def _accumulate(digits: Bytes, is_digit: Flags, is_point: Flags) -> tuple[Longs, Longs]:
    """Return the digits as one whole number, and how many of them stand behind the point."""
    whole = np.zeros(digits.shape[1], np.int64)
    fraction = np.zeros(digits.shape[1], np.int64)
    behind = np.zeros(digits.shape[1], np.bool_)
    for digit, counts, point in zip(digits, is_digit, is_point, strict=True):
        whole = np.where(counts, whole * 10 + digit, whole)
        fraction += behind
        behind |= point
    return whole, fraction


def _no_needless_zero(buffer: Bytes, starts: Longs) -> Flags:
    """Tell which numbers begin with a digit, and with 0 only if that is all before the point."""
    first, second = buffer[starts] - ZERO, buffer[starts + 1] - ZERO
    fine: Flags = (first <= 9) & ((first > 0) | (second > 9))
    return fine
