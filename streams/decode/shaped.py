"""Records of one shape as columns, read without parsing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.state.event_ids import NO_ID
from tidecast.streams.decode.dictionaries import Dictionaries
from tidecast.streams.decode.digits import read_numbers
from tidecast.streams.decode.ids import Ids, number_ids, text_ids
from tidecast.streams.decode.iso import windows
from tidecast.streams.decode.lines import Lines
from tidecast.streams.decode.rules import Rules
from tidecast.streams.decode.shapes import Shape

__all__ = ["ShapeColumns", "is_useful"]

Bytes = NDArray[np.uint8]
Longs = NDArray[np.int64]
Floats = NDArray[np.float64]
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


def _locate(shape: Shape, lines: Lines, rows: Longs) -> tuple[Longs, Spans]:
    """Return which of ``rows`` have the literals of ``shape``, and the spans of their holes."""
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
    return rows[fits], _some(spans, fits)


def _read_holes(
    shape: Shape, lines: Lines, rows: Longs, spans: Spans
) -> tuple[Longs, Spans, dict[str, Floats]]:
    """Return which of the located ``rows`` are JSON, their spans, and their numbers by field.

    These have plain numbers in all their number holes.
    """
    sure = np.ones(len(rows), np.bool_)
    numbers: dict[str, Floats] = {}
    for hole, (start, end) in zip(shape.holes, spans, strict=True):
        if not hole.is_text:
            numbers[hole.key.decode()], plain = read_numbers(lines.buffer, start, end)
            sure &= plain
    if sure.all():
        return rows, spans, numbers
    return rows[sure], _some(spans, sure), {key: n[sure] for key, n in numbers.items()}


def _some(spans: Spans, rows: Flags) -> Spans:
    return spans if rows.all() else [(start[rows], end[rows]) for start, end in spans]


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
    """The columns of records of one shape. Whole numbers are their own text, and may be names."""

    def __init__(
        self,
        rules: Rules,
        dictionaries: Dictionaries,
        buffer: Bytes,
        spans: dict[str, tuple[Longs, Longs]],
        numbers: dict[str, Floats],
    ) -> None:
        self._rules = rules
        self._dictionaries = dictionaries
        self._buffer = buffer
        self._spans = spans
        self._numbers = numbers
        self._count = len(next(iter(spans.values()))[0])

    @classmethod
    def of(
        cls, shape: Shape, lines: Lines, rows: Longs, rules: Rules, dictionaries: Dictionaries
    ) -> tuple[Longs, ShapeColumns]:
        """Return which of ``rows`` have this ``shape``, and their columns."""
        rows, spans, numbers = _read_holes(shape, lines, *_locate(shape, lines, rows))
        by_field = {hole.key.decode(): span for hole, span in zip(shape.holes, spans, strict=True)}
        return rows, cls(rules, dictionaries, lines.buffer, by_field, numbers)

    def codes(self, name: str) -> NDArray[np.int32]:
        """Return the code of each record's text, UNSURE where it must be judged."""
        span = self._spans.get(self._rules.source.field(name))
        if span is not None:
            start, end = span
            return self._dictionaries.words[name].of(self._buffer, start, end - start)
        default = str(self._rules.source.defaults[name])
        return np.repeat(self._dictionaries.codes[name].trusted([default]), self._count)

    def floats(self, name: str) -> Floats:
        """Return each record's number, NaN where it has none."""
        numbers = self._numbers.get(self._rules.source.field(name))
        if numbers is not None:
            return numbers
        default = self._rules.source.defaults.get(name, np.nan)
        return np.full(self._count, float(default))

    def ids(self) -> tuple[Ids, Flags]:
        """Return the hash of each event's id, and which are sure."""
        name = str(self._rules.id_field)
        sure = np.ones(self._count, np.bool_)
        if name not in self._spans:
            return np.full(self._count, NO_ID, np.uint64), sure
        if name in self._numbers:
            return number_ids(self._buffer, *self._spans[name])
        return text_ids(self._buffer, *self._spans[name]), sure

    def time_texts(self) -> tuple[Bytes, Longs, Longs]:
        """Return a buffer, and the start and length in it of each record's event time."""
        start, end = self._spans[self._rules.source.field("event_time")]
        return self._buffer, start, end - start
