"""The forecasts of a disturbed run beside those of an undisturbed one over its recorded log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

import orjson
from watch import read

from tidecast.models.fold import Closed
from tidecast.state.settings import Settings
from tidecast.streams.forecast import ForecastOutput

__all__ = ["Compared", "compare"]


@dataclass
class Compared:
    """One topic: how many things it tells of, re-sends left out, and where it is wrong."""

    topic: str
    told: int
    resent: int
    missing: int
    extra: int
    different: int


def compare(settings: Settings, recorded: Iterator[Closed], bootstrap: str) -> list[Compared]:
    """Compare every topic that the forecaster writes with what an undisturbed run gives."""
    output = ForecastOutput(settings)
    expected: dict[str, dict[bytes, bytes]] = {}
    for closed in recorded:
        for topic, _, value in output.records(closed):
            expected.setdefault(topic, {})[_name(topic, value)] = _digest(value)
    return [_compared(bootstrap, topic, those) for topic, those in sorted(expected.items())]


def _compared(bootstrap: str, topic: str, expected: dict[bytes, bytes]) -> Compared:
    found: dict[bytes, bytes] = {}
    resent = different = 0
    for record in read(bootstrap, topic):
        try:
            name = _name(topic, record.value)
        except (orjson.JSONDecodeError, KeyError):
            continue  # the poison that a fault wrote
        digest = _digest(record.value)
        if name in found:
            resent += 1
        different += digest != found.setdefault(name, digest)
    missing, extra = expected.keys() - found.keys(), found.keys() - expected.keys()
    different += sum(found[name] != expected[name] for name in found.keys() & expected.keys())
    return Compared(topic, len(found), resent, len(missing), len(extra), different)


def _name(topic: str, value: bytes) -> bytes:
    """Return what a record is about: two of the same name must be the same."""
    record = orjson.loads(value)
    if topic.endswith("predictions"):
        names = ("series", "region", "category", "origin", "revision")
    elif topic.endswith("windows"):
        names = ("bin", "revision")
    elif topic.endswith("scores"):
        names = ("valid_time", "revision")
    else:
        return _digest(value)
    return _digest(orjson.dumps([record[name] for name in names]))


def _digest(value: bytes) -> bytes:
    return blake2b(value, digest_size=12).digest()
