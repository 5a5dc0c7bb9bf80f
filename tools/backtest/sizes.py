"""Figures of the blend by size of cell, as texts."""

from __future__ import annotations

from collections.abc import Iterable

from tidecast.models.evaluate.groups import SizeScore
from tidecast.models.scores import BLEND

__all__ = ["BASELINE", "HEADS", "figure", "percent", "size_rows"]

BASELINE = "seasonal_naive"
FIGURES = ("wape", "rmse", "mase", "rmsse", "pinball")
SHARES = ("coverage_80", "coverage_90")
HEADS = ("cells", *FIGURES, "inside 80", "inside 90", "wape seasonal naive")
"""What stands above the columns of `size_rows`, the first apart."""


def size_rows(scores: Iterable[SizeScore], series: str) -> list[list[str]]:
    """Return a row for each group of cells, the smallest first: their mean of a bin, and `HEADS`.

    None where all cells are of one group: their figures stand elsewhere.
    """
    groups: dict[tuple[float, float | None, int], dict[tuple[str, str], float]] = {}
    for score in scores:
        if score.series == series:
            group = groups.setdefault((score.low, score.high, score.cells), {})
            group[score.expert, score.metric] = score.value
    rows = []
    for (low, high, cells), found in groups.items():
        figures = [figure(found.get((BLEND, name))) for name in FIGURES]
        shares = [percent(found.get((BLEND, name))) for name in SHARES]
        naive = figure(found.get((BASELINE, "wape")))
        rows.append([_between(low, high), f"{cells:,}", *figures, *shares, naive])
    return rows if len(rows) > 1 else []


def figure(value: float | None) -> str:
    """Return a figure in four digits; nothing of None."""
    return "" if value is None else f"{value:.4g}"


def percent(value: float | None) -> str:
    """Return a share in percent; nothing of None."""
    return "" if value is None else f"{value:.1%}"


def _between(low: float, high: float | None) -> str:
    return f"{low:g} and more" if high is None else f"{low:g} to {high:g}"
