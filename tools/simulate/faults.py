"""What goes wrong between the shop and the log: disorder, lateness, repeats, broken records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import orjson
from numpy.typing import NDArray

from tidecast.tools.simulate.shop import HOUR

__all__ = ["FAULTS", "MALFORMED", "Arrivals", "Faults", "arrive", "break_lines"]

MINUTE = HOUR // 60
SECOND = MINUTE // 60
DUPLICATED = 0.003
BROKEN = 0.0004  # of the lines, for each way to break one

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Faults:
    """How late the records of a source come, in microseconds, and what its settings allow.

    ``delay`` is the mean of the ordinary delay, which never reaches ``max_disorder``; a part
    ``late`` comes within ``allowed_lateness``, a part ``too_late`` after ``longest``/4 or more.
    """

    delay: int
    max_disorder: int
    allowed_lateness: int
    longest: int
    late: float = 0.004
    too_late: float = 0.001


FAULTS = {
    "clicks": Faults(SECOND // 2, 5 * SECOND, 10 * MINUTE, 12 * HOUR),
    "orders": Faults(SECOND, 10 * SECOND, 30 * MINUTE, 12 * HOUR),
    "logistics": Faults(2 * MINUTE, 15 * MINUTE, 6 * HOUR, 72 * HOUR),
}


@dataclass(frozen=True)
class Arrivals:
    """The order in which events reach the log.

    ``rows`` are numbers of events, some twice, in order of arrival; ``repeated`` marks the second
    one of an event, ``too_late`` what the settings of the source no longer accept.
    """

    rows: Integers
    repeated: NDArray[np.bool_]
    too_late: NDArray[np.bool_]


def arrive(times: Integers, faults: Faults, rng: np.random.Generator) -> Arrivals:
    """Delay events at ``times`` (sorted), repeat some, and tell which come too late."""
    n = times.size
    delay = np.minimum(rng.exponential(faults.delay, n), 0.8 * faults.max_disorder)
    fate = rng.random(n)
    late = fate < faults.late
    delay[late] = rng.uniform(faults.max_disorder, faults.allowed_lateness, int(late.sum()))
    lost = fate > 1 - faults.too_late
    delay[lost] = rng.uniform(faults.longest / 4, faults.longest, int(lost.sum()))
    arrival = times + delay.astype(np.int64)
    again = np.flatnonzero(rng.random(n) < DUPLICATED)
    rows = np.concatenate((np.arange(n), again))
    pause = (faults.max_disorder * rng.random(again.size) / 5).astype(np.int64)
    order = np.argsort(np.concatenate((arrival, arrival[again] + pause)), kind="stable")
    rows, repeated = rows[order], (np.arange(rows.size) >= n)[order]
    return Arrivals(rows, repeated, _too_late(times[rows], faults))


def _too_late(times: Integers, faults: Faults) -> NDArray[np.bool_]:
    """Apply the rule of the ingest to one partition: bins of an hour, closed by its watermark."""
    high = np.maximum.accumulate(np.concatenate((times[:1], times[:-1])))
    bin_end = (times // HOUR + 1) * HOUR
    return np.asarray(bin_end + faults.allowed_lateness <= high - faults.max_disorder)


def _without(field: str) -> Callable[[dict[str, object]], bytes]:
    def broken(record: dict[str, object]) -> bytes:
        return orjson.dumps({key: value for key, value in record.items() if key != field})

    return broken


def _with(field: str, value: object) -> Callable[[dict[str, object]], bytes]:
    return lambda record: orjson.dumps(record | {field: value})


MALFORMED: dict[str, Callable[[dict[str, object]], bytes]] = {
    "not_json": lambda record: b"<html><body>502 Bad Gateway</body></html>",
    "truncated": lambda record: orjson.dumps(record)[:-9],
    "missing_region": _without("region"),
    "missing_time": _without("event_time"),
    "category_not_text": _with("category", {"id": 7}),
    "number_as_text": lambda record: orjson.dumps(record | {_number(record): "two"}),
    "negative_number": lambda record: orjson.dumps(record | {_number(record): -3}),
    "unknown_kind": _with("kind", "wishlist"),
    "year_1970": _with("event_time", "1970-01-01T00:00:00.000Z"),
    "year_2099": _with("event_time", "2099-12-31T23:59:59.000Z"),
}
"""Ways to break a record: each is refused by the contract, 2099 by its neighbours in the log."""


def _number(record: dict[str, object]) -> str:
    return next(name for name in ("value", "hours", "units") if name in record)


def break_lines(lines: list[bytes], rng: np.random.Generator) -> tuple[list[bytes], dict[str, int]]:
    """Mix broken copies of some ``lines`` into them; return the whole, and how many of each."""
    each = max(1, int(BROKEN * len(lines)))
    extra: list[tuple[int, bytes]] = []
    for way, broken in MALFORMED.items():
        if way == "year_2099":
            places = _spread(len(lines), each)
        else:
            places = rng.integers(0, len(lines), each)
        extra.extend((int(place), broken(orjson.loads(lines[place]))) for place in places)
    extra.sort(key=lambda pair: pair[0])
    return _mixed(lines, extra), dict.fromkeys(MALFORMED, each)


def _spread(n_lines: int, count: int) -> Integers:
    """Return evenly spaced places, far from each other and from both ends."""
    return ((np.arange(count) + 0.5) * n_lines / count).astype(np.int64)


def _mixed(lines: list[bytes], extra: list[tuple[int, bytes]]) -> list[bytes]:
    """Insert each of ``extra`` before the line at its place."""
    mixed: list[bytes] = []
    done = 0
    for place, line in extra:
        mixed.extend(lines[done:place])
        mixed.append(line)
        done = place
    mixed.extend(lines[done:])
    return mixed
