"""Records of one shape as columns, read without parsing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.streams.decode.dictionaries import Dictionaries
from tidecast.streams.decode.digits import read_numbers
from tidecast.streams.decode.iso import windows
from tidecast.streams.decode.lines import Lines
from tidecast.streams.decode.rules import Rules
from tidecast.streams.decode.shapes import Shape

__all__ = ["ShapeColumns", "is_useful", "locate"]

Bytes = NDArray[np.uint8]
Longs = NDArray[np.int64]
Flags = NDArray[np.bool_]
Spans = list[tuple[Longs, Longs]]


def is_useful(shape: Shape, rules: Rules) -> bool:
    """Tell whether records of ``shape`` may be valid, and have their needed values in holes."""
    is_text = {hole.key.decode(): hole.is_text for hole in shape.holes}
    constant = {key.decode() for key, word in shape.words.items() if word != b"null"}
    optional = {*rules.source.defaults, *rules.numbers} - set(rules.needed_numbers)
    optional |= set(rules.source.defaults)
    for name in (*rules.texts, *rules.floats):
        key = rules.source.field(name)
        if name in rules.floats and is_text.get(key):
            return False
        if key in constant or (key not in is_text and name not in optional):
            return False
    return True


def locate(shape: Shape, lines: Lines, rows: Longs) -> tuple[Longs, Spans]:
    """Return which of ``rows`` have the ``shape``, and where each of its holes begins and ends.

    What stands in number holes is not looked at.
    """
    rows = rows[lines.quote_counts[rows] == shape.quotes]
    first, at = lines.first_quote[rows], lines.starts[rows]
    fits = np.ones(len(rows), np.bool_)
    spans: Spans = []
    quotes = 0
    literals = [*(hole.literal for hole in shape.holes[1:]), shape.tail]
    for hole, following in zip(shape.holes, literals, strict=True):
        fits &= _reads(lines.buffer, at, hole.literal)
        start = at + len(hole.literal)
        quotes += hole.literal.count(b'"')
        if b'"' in following:
            at = lines.quotes[first + quotes] - following.index(b'"')
        else:
            at = lines.ends[rows] - len(following)
        spans.append((start, at))
    fits &= _reads(lines.buffer, at, shape.tail) & (at + len(shape.tail) == lines.ends[rows])
    if fits.all():
        return rows, spans
    return rows[fits], [(start[fits], end[fits]) for start, end in spans]


def _reads(buffer: Bytes, at: Longs, literal: bytes) -> Flags:
    """Tell where ``literal`` stands ``at`` a place in the buffer."""
    count = -(-len(literal) // 8)
    raw = windows(buffer, at, 8 * count).view("<u8")  # (record, word)
    wanted = np.frombuffer(literal.ljust(8 * count, b"\0"), "<u8")
    shown = np.frombuffer((b"\xff" * len(literal)).ljust(8 * count, b"\0"), "<u8")
    same = np.ones(len(at), np.bool_)
    for column in range(count):
        same &= (raw[:, column] & shown[column]) == wanted[column]
    return same


class ShapeColumns:
    """The columns of records whose holes are located.

    ``sure`` tells which records have plain numbers in all their number holes, and are JSON. A name
    may stand in a number hole: whole numbers are their own text.
    """

    def __init__(
        self, rules: Rules, dictionaries: Dictionaries, shape: Shape, lines: Lines, spans: Spans
    ) -> None:
        self._rules = rules
        self._dictionaries = dictionaries
        self._buffer = lines.buffer
        self._count = len(spans[0][0])
        self.sure = np.ones(self._count, np.bool_)
        self._spans: dict[str, tuple[Longs, Longs]] = {}
        self._numbers: dict[str, NDArray[np.float64]] = {}
        for hole, (start, end) in zip(shape.holes, spans, strict=True):
            self._spans[hole.key.decode()] = (start, end - start)
            if not hole.is_text:
                numbers, sure = read_numbers(lines.buffer, start, end)
                self.sure &= sure
                self._numbers[hole.key.decode()] = numbers

    def codes(self, name: str) -> NDArray[np.int32]:
        """Return the code of each record's text, UNSURE where it must be judged."""
        span = self._spans.get(self._rules.source.field(name))
        if span is not None:
            return self._dictionaries.words[name].of(self._buffer, *span)
        default = str(self._rules.source.defaults[name])
        return np.repeat(self._dictionaries.codes[name].trusted([default]), self._count)

    def floats(self, name: str) -> NDArray[np.float64]:
        """Return each record's number, NaN where it has none."""
        numbers = self._numbers.get(self._rules.source.field(name))
        if numbers is not None:
            return numbers
        default = self._rules.source.defaults.get(name, np.nan)
        return np.full(self._count, float(default))

    def time_texts(self) -> tuple[Bytes, Longs, Longs]:
        """Return a buffer, and the start and length in it of each record's event time."""
        return self._buffer, *self._spans[self._rules.source.field("event_time")]
