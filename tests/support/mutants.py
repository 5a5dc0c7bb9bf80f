"""Logs of real-looking records with much that is wrong with some of them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from oddities import DAMAGE, KINDS, NO_RECORDS, VALUES

from tidecast.state.cuts import END_OF_LOG

__all__ = ["mutated"]

ODD = sorted({value for values in VALUES.values() for value in values} | {*KINDS, "null"})
NEAR = (1, 6)  # days ahead that may be believed at once: all after them is late, so they are rare
JUMPS = (-730, -400, -30, -1, 8, 30, 365, 366, 730) * 5 + NEAR
FEWEST, MOST = 1, 60  # records of a burst
Fields = list[tuple[str, str]]


def mutated(records: Sequence[bytes], rate: float, chance: random.Random) -> list[bytes | None]:
    """Return ``records`` with about ``rate`` of them changed, some repeated, some in bursts."""
    log: list[bytes | None] = []
    for record in records:
        log.append(_mutant(record, chance) if chance.random() < rate else record)
        if chance.random() < rate / 50:
            log.append(record)
        if chance.random() < rate / 500:
            log += _burst(record, chance)
        if chance.random() < rate / 500:
            log.append(chance.choice([*NO_RECORDS, END_OF_LOG]))
    return log


def _burst(record: bytes, chance: random.Random) -> list[bytes]:
    """Return many copies of a record, all dated by one wrong clock."""
    days = chance.choice(JUMPS)
    return [_dated(record, days)] * chance.randint(FEWEST, MOST)


def _mutant(record: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        record = chance.choice(MUTATIONS)(record, chance)
    return record


def _damaged(record: bytes, chance: random.Random) -> bytes:
    at = chance.randint(0, len(record))
    lost, added = chance.choice((0, 0, 1, 1, 5, 50)), chance.choice((*DAMAGE, _any_byte(chance)))
    return record[:at] + added + record[at + lost :]


def _any_byte(chance: random.Random) -> bytes:
    return bytes([chance.randrange(256)])


def _flipped(record: bytes, chance: random.Random) -> bytes:
    if not record:
        return record
    at = chance.randrange(len(record))
    return record[:at] + bytes([record[at] ^ 1 << chance.randrange(8)]) + record[at + 1 :]


def _spliced(record: bytes, chance: random.Random) -> bytes:
    start, end = sorted(chance.randint(0, len(record)) for _ in range(2))
    at = chance.randint(0, len(record))
    return record[:at] + record[start:end] + record[at:]


def _redated(record: bytes, chance: random.Random) -> bytes:
    return _dated(record, chance.choice(JUMPS))


def _dated(record: bytes, days: int) -> bytes:
    """Return the record with all that looks like a time moved by ``days``."""
    fields = _fields(record)
    return record if fields is None else _written([(n, _moved(v, days)) for n, v in fields])


def _moved(value: str, days: int) -> str:
    found = json.loads(value)
    if isinstance(found, int) and found > 10**9:
        return str(found + days * 86_400)
    if not isinstance(found, str):
        return value
    try:
        moved = datetime.fromisoformat(found) + timedelta(days=days)
    except (ValueError, OverflowError):
        return value
    return json.dumps(moved.isoformat().replace("+00:00", "Z"))


def _changed(record: bytes, chance: random.Random) -> bytes:
    """Change one of the fields: its value, its name, its place, its number."""
    fields = _fields(record)
    if not fields:
        return record
    at = chance.randrange(len(fields))
    name, value = fields[at]
    odd = chance.choice(ODD)
    changes: tuple[Fields, ...] = (
        [(name, odd)],
        [(name, odd)],
        [],
        [(name, value), (name, odd)],
        [(name, odd), (name, value)],
        [(chance.choice(fields)[0], value)],
        [(name, f'[{value}, {{"deep": {odd}}}]')],
    )
    fields[at : at + 1] = chance.choice(changes)
    return _written(fields)


def _relaid(record: bytes, chance: random.Random) -> bytes:
    """Write the same fields in another way: their order, the spaces, escapes."""
    fields = _fields(record)
    if not fields:
        return record
    if chance.random() < 0.5:
        chance.shuffle(fields)
    colon, comma = chance.choice(((":", ","), (": ", ", "), (" :\t", "\r, ")))
    written = _written(fields, colon, comma)
    return written.replace(b"a", b"\\u0061") if chance.random() < 0.2 else written


MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _damaged,
    _flipped,
    _spliced,
    _redated,
    _changed,
    _changed,
    _changed,
    _relaid,
)


def _fields(record: bytes) -> Fields | None:
    """Return the names and the values, as JSON, of a flat record that is whole."""
    try:
        found: Any = json.loads(record)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    return [(name, json.dumps(value)) for name, value in found.items()]


def _written(fields: Fields, colon: str = ":", comma: str = ",") -> bytes:
    pairs = (json.dumps(name) + colon + value for name, value in fields)
    return ("{" + comma.join(pairs) + "}").encode("utf-8", "surrogatepass")
