"""Shapes: the records of one producer differ in their values only.

A shape is learnt from one record: a flat JSON object, taken apart into literals and holes. Every
record whose bytes are the same literals around other strings and numbers is JSON as well, and its
values stand at known places. So nothing is parsed: the literals are compared, and that is all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

__all__ = ["LONGEST_LITERAL", "Hole", "Shape", "learn_shape"]

SPACE = rb"[ \t\r]*"
STRING = rb'"[^"\\\x00-\x1f]*"'
NUMBER = rb"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?"
MEMBER = re.compile(
    rb"(%s)(%s)(%s:%s)(?:(%s)|(%s)|(true|false|null))(%s)([,}])"
    % (SPACE, STRING, SPACE, SPACE, STRING, NUMBER, SPACE)
)
LONGEST_LITERAL = 1_024


@dataclass(frozen=True)
class Hole:
    """A value that differs from record to record, and the literal in front of it.

    ``key`` is the field's name in the record; ``is_text`` tells a string (without its quotation
    marks) from a number.
    """

    literal: bytes
    key: bytes
    is_text: bool


@dataclass(frozen=True)
class Shape:
    """The holes of a record in their order, and the literal behind the last.

    ``words`` are the fields that are null, true or false in every record of this shape.
    """

    holes: tuple[Hole, ...]
    tail: bytes
    words: dict[bytes, bytes] = field(default_factory=dict, compare=False)

    @property
    def longest_literal(self) -> int:
        """The bytes of the longest literal."""
        return max(len(self.tail), *(len(hole.literal) for hole in self.holes))

    @property
    def quotes(self) -> int:
        """How many quotation marks each record has."""
        return sum(hole.literal.count(b'"') for hole in self.holes) + self.tail.count(b'"')


def learn_shape(record: bytes) -> Shape | None:
    """Return the shape of a record, or None if it is not flat or names a field twice.

    Examples
    --------
    >>> shape = learn_shape(b'{"region":"north","units":5}')
    >>> [(hole.literal, hole.key) for hole in shape.holes], shape.tail
    ([(b'{"region":"', b'region'), (b'","units":', b'units')], b'}')
    """
    holes: list[Hole] = []
    words: dict[bytes, bytes] = {}
    keys: set[bytes] = set()
    literal, at = b"{", 1
    while match := MEMBER.match(record, at):
        space, name, colon, text, _, word, behind, stop = match.groups(b"")
        literal += space + name + colon + word
        if word:
            words[name[1:-1]] = word
        else:
            mark = b'"' if text else b""
            holes.append(Hole(literal + mark, name[1:-1], bool(text)))
            literal = mark
        keys.add(name[1:-1])
        literal, at = literal + behind + stop, match.end()
        if stop == b"}":
            break
    members = len(holes) + len(words)
    if at != len(record) or not literal.endswith(b"}") or not holes or len(keys) < members:
        return None
    shape = Shape(tuple(holes), literal, words)
    return shape if shape.longest_literal <= LONGEST_LITERAL else None
