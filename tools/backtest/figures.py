"""Figures as rows of texts, for the terminal and the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tidecast.models.evaluate.groups import SizeScore
from tidecast.models.evaluate.metrics import Score, awake
from tidecast.models.scores import BLEND

__all__ = [
    "BASELINE",
    "FIGURES",
    "SHARES",
    "SIZES",
    "expert_rows",
    "figure",
    "percent",
    "size_rows",
]

BASELINE = "seasonal_naive"
FIGURES = ("wape", "rmse", "mase", "rmsse", "pinball")
SHARES = ("coverage_80", "coverage_90")
SIZES = ("cells", *FIGURES, "inside 80", "inside 90", "wape seasonal naive")
"""What stands above the columns of `size_rows`, the first apart."""


def expert_rows(
    scores: Sequence[Score], series: str, experts: Sequence[str], figures: Sequence[str]
) -> tuple[list[list[str]], bool]:
    """Return a row for each expert that spoke: figures of its cells, all leads together.

    A row is its name, ``figures``, `SHARES`, and p of its difference from the blend. Where one of
    them slept, its figures are of fewer forecasts: rows then end in the share that it spoke of, and
    True is returned beside them.
    """
    values = {
        (score.expert, score.metric): score.value
        for score in scores
        if (score.series, score.level, score.lead) == (series, "cell", None)
    }
    shares_awake = awake(scores, series)
    rows = []
    for expert in experts:
        if (expert, "mae") not in values:
            continue
        told = [figure(values.get((expert, name))) for name in figures]
        told += [percent(values.get((expert, name))) for name in SHARES]
        p = values.get((expert, "dm_pinball_p"))
        told.append("" if p is None else f"{p:.3f}")
        told += [percent(shares_awake[expert])] if shares_awake else []
        rows.append([expert, *told])
    return rows, bool(shares_awake)


def size_rows(scores: Iterable[SizeScore], series: str) -> list[list[str]]:
    """Return a row for each group of cells, the smallest first: their mean of a bin, and `SIZES`.

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
    """Return a figure in four digits, a dash for None."""
    return "–" if value is None else f"{value:.4g}"


def percent(value: float | None) -> str:
    """Return a share in percent, a dash for None."""
    return "–" if value is None else f"{value:.1%}"


def _between(low: float, high: float | None) -> str:
    return f"{low:g} and more" if high is None else f"{low:g} to {high:g}"
