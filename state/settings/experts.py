"""The names of the experts that may be asked for."""

from __future__ import annotations

__all__ = ["DEFAULT_EXPERTS", "EXPERT_NAMES"]

DEFAULT_EXPERTS = (
    "seasonal_naive",
    "time_of_week",
    "holt_winters",
    "linear",
    "pooled",
    "tsb",
    "trees",
    "leading",
)
"""Those that are asked unless others are named."""

EXPERT_NAMES = (
    *DEFAULT_EXPERTS,
    *("croston", "last_value", "snarimax", "starima", "geographic"),
    *("hoeffding_tree", "forest", "knn"),
    "deep",
)
"""All there are; `tidecast.models.experts` has one of each name."""
