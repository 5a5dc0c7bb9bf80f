"""The settings under which our own program does what its peers do."""

from __future__ import annotations

from collections.abc import Mapping

from tidecast.state.settings import Settings, parse_settings
from tidecast.tools.bench.contenders.job import DISORDER_MS

__all__ = ["sum_settings"]


def sum_settings(topic: str = "clicks", kafka: Mapping[str, str] | None = None) -> Settings:
    """Return settings for one-minute sums of ``value`` in hundredths, per region and category.

    As in the other contenders' windows, a count stands beside each sum.
    """
    source = {
        "name": "clicks",
        "topic": topic,
        "stream": "click",
        "max_disorder": f"{DISORDER_MS // 1000}s",
    }
    value = {
        "name": "value",
        "stream": "click",
        "aggregate": "sum",
        "of": "value",
        "decimals": 2,
    }
    return parse_settings(
        {
            "bins": {"width": "1m"},
            "sources": [source],
            "series": [value, {"name": "events", "stream": "click", "aggregate": "count"}],
            "limits": {"max_cells": 20_000, "max_ahead": 1_000_000},  # no forecaster runs
            "kafka": dict(kafka or {}),
        }
    )
