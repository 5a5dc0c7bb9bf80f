"""The settings under which our own worker does what its peers do."""

from __future__ import annotations

from tidecast.state.settings import Settings, parse_settings
from tidecast.tools.bench.contenders.job import DISORDER_MS, Job

__all__ = ["sum_settings"]


def sum_settings(job: Job) -> Settings:
    """Return settings for one-minute sums of ``value`` in hundredths, per region and category.

    As in the other contenders' windows, a count stands beside each sum.
    """
    return parse_settings(
        {
            "bins": {"width": "1m"},
            "sources": [
                {
                    "name": "clicks",
                    "topic": job.topic,
                    "stream": "click",
                    "max_disorder": f"{DISORDER_MS // 1000}s",
                }
            ],
            "series": [
                {
                    "name": "value",
                    "stream": "click",
                    "aggregate": "sum",
                    "of": "value",
                    "decimals": 2,
                },
                {"name": "events", "stream": "click", "aggregate": "count"},
            ],
            "limits": {"max_cells": 20_000},
            "kafka": {"bootstrap": job.bootstrap, "topic_prefix": job.output, "group": job.output},
        }
    )
