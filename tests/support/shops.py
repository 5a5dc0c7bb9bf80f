"""Settings and records that the tests of decoding share."""

from __future__ import annotations

import json
from typing import Any

from tidecast.state.settings import Settings, parse_settings

SERIES = [
    {"name": "traffic", "stream": "click", "aggregate": "count", "kinds": ["view"]},
    {"name": "value", "stream": "click", "aggregate": "mean", "of": "value"},
    {"name": "demand", "stream": "order", "aggregate": "sum", "of": "units", "kinds": ["order"]},
    {"name": "revenue", "stream": "order", "aggregate": "sum", "of": "amount", "decimals": 2},
    {"name": "hours", "stream": "logistics", "aggregate": "mean", "of": "hours"},
    {"name": "sold_out", "stream": "stock", "aggregate": "count", "kinds": ["sold_out"]},
]


def shop(stream: str = "click", **source: Any) -> Settings:
    """Return settings with one source of ``stream``; ``regions`` may be given beside it."""
    tables: dict[str, Any] = {
        "series": [series for series in SERIES if series["stream"] == stream],
        "regions": source.pop("regions", {}),
        "limits": source.pop("limits", {}),
    }
    tables["sources"] = [{"name": "events", "topic": "events", "stream": stream, **source}]
    return parse_settings(tables)


def click(**changes: Any) -> bytes:
    """Return a click that every shop understands, but for the ``changes``."""
    return record(
        {
            "event_time": "2026-01-31T12:00:00Z",
            "region": "north",
            "category": "books",
            "kind": "view",
            "value": 1.5,
        },
        changes,
    )


def order(**changes: Any) -> bytes:
    """Return an order that every shop understands, but for the ``changes``."""
    return record(
        {
            "event_time": "2026-01-31T12:00:00Z",
            "region": "north",
            "category": "books",
            "kind": "order",
            "units": 2,
            "amount": 9.99,
        },
        changes,
    )


def record(fields: dict[str, Any], changes: dict[str, Any]) -> bytes:
    """Return the JSON of ``fields`` with ``changes``; the change ... takes a field away."""
    merged = {name: value for name, value in (fields | changes).items() if value is not ...}
    return json.dumps(merged, separators=(",", ":")).encode()
