"""Clicks of a shop, told by the second after START."""

from __future__ import annotations

import json
import time

__all__ = ["MINUTE", "START", "click", "minutes"]

START = 1_769_860_800  # 2026-01-31T12:00:00Z
MINUTE = 60


def click(second: float, region: str = "north", kind: str = "view", value: float = 1.0) -> bytes:
    """Return an event so many seconds after START."""
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(START + second))
    fields = {"event_time": f"{at}Z", "region": region, "category": "books"}
    return json.dumps(fields | {"kind": kind, "value": value}).encode()


def minutes(first: int, last: int, region: str = "north") -> list[bytes]:
    """Return six events of each minute from ``first`` to before ``last``."""
    return [click(s, region) for s in range(first * MINUTE, last * MINUTE, 10)]
