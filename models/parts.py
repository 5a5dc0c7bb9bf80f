"""Parts: what a forecast is made of, by names that all experts share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tidecast.models.covariates import Covariates

__all__ = [
    "PARTS",
    "Parts",
    "added",
    "either",
    "grouped",
    "of_features",
    "over_leads",
    "scaled",
    "usual_parts",
    "within",
]

Floats = NDArray[np.float64]
Parts = Mapping[str, Floats]
"""By the name of a part, what it adds to the mean: (series, lead) each."""

PARTS = (
    *("level", "trend", "season", "calendar", "recent", "neighbours"),
    *("covariate", "leading_stream", "limit", "coherence", "rest"),
)
"""Names of all parts, in the order in which they are told; docs/explain.md says what each means."""

OF_FEATURES = {
    **dict.fromkeys(("level", "root_level", "one", "size", "scale", "intercept"), "level"),
    "lead": "trend",
    **dict.fromkeys(("usual", "usual_rise", "expected"), "season"),
    **dict.fromkeys(("season", "season_short", "season_long"), "season"),
    **dict.fromkeys(("season_long_before", "season_long_after"), "season"),
    **dict.fromkeys(("departure_season", "departure_season_mean"), "season"),
    **dict.fromkeys(("wave", "time_of_day", "day_of_week"), "calendar"),
    **dict.fromkeys(("value", "departure", "departure_mean", "recently", "drift"), "recent"),
    **dict.fromkeys(("departure_mean_season", "departure_mean_2_seasons"), "recent"),
    **dict.fromkeys(("near", "neighbours", "total", "total_mean", "total_season"), "neighbours"),
}
"""The part of every feature of linear models and trees, by its name but for a number at its end."""


def of_features(names: Sequence[str]) -> tuple[str, ...]:
    """Return the parts of features.

    Examples
    --------
    >>> of_features(("departure_2", "season_168", "near"))
    ('recent', 'season', 'neighbours')
    """
    return tuple(OF_FEATURES[name.rstrip("0123456789").rstrip("_")] for name in names)


def grouped(terms: Floats, parts: Sequence[str]) -> Parts:
    """Return the sums of ``terms``, (term, series) or with leads, by the part of each."""
    found: dict[str, Floats] = {}
    for part, term in zip(parts, terms, strict=True):
        found[part] = found.get(part, 0.0) + term
    return found


def over_leads(leads: Sequence[Parts]) -> Parts:
    """Return the parts of all leads, of those of each, (series,), which are the same parts."""
    return {
        name: np.stack([p[name] for p in leads], axis=-1, dtype=np.float64) for name in leads[0]
    }


def usual_parts(covariates: Covariates, cell: int) -> Parts:
    """Return the level of a cell, and what the usual week adds to it at the bins ahead."""
    usual = covariates.usual_ahead[:, cell].T.astype(np.float64)  # (series, lead)
    level = np.broadcast_to(covariates.level[cell][:, None], usual.shape)
    return {"level": level, "season": usual - level}


def added(*several: Parts) -> Parts:
    """Return the sums of several forecasts' parts."""
    found: dict[str, Floats] = {}
    for parts in several:
        for name, part in parts.items():
            found[name] = found.get(name, 0.0) + part
    return found


def scaled(parts: Parts, factor: NDArray[np.floating] | float) -> Parts:
    """Return every part times ``factor``, (series, lead) or broadcast to it."""
    return {name: part * factor for name, part in parts.items()}


def either(is_one: NDArray[np.bool_], one: Parts, other: Parts) -> Parts:
    """Return parts of ``one`` forecast where that is said, (series,), else of the ``other``."""
    chosen = is_one[:, None].astype(np.float64)
    return added(scaled(one, chosen), scaled(other, 1.0 - chosen))


def within(parts: Parts, low: Floats | float, high: Floats | float) -> Parts:
    """Return ``parts`` of a forecast that ends at ``low`` and ``high``: `limit` is what that cuts.

    A forecast of NaN, of who sleeps, stays that.
    """
    whole = sum(parts.values())
    return added(parts, {"limit": np.clip(whole, low, high) - whole})
