"""Figures of groups: cells by size, and days."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tidecast.models.evaluate.denominators import scaled_errors
from tidecast.models.evaluate.evaluator import Evaluator
from tidecast.models.evaluate.metrics import Score, figures_of
from tidecast.models.evaluate.scaled_days import SCALED
from tidecast.models.scores import BLEND

__all__ = ["DayScore", "SizeScore", "by_day", "by_size", "by_week"]

BOUNDS = (0.1, 1.0, 10.0, 100.0, 1000.0)
"""Mean actual of a bin between groups of cells."""

NEAR = 0.05
"""How far the coverage of a week may stray from what was promised."""


@dataclass(frozen=True)
class SizeScore:
    """A figure of the cells whose mean actual is at least ``low`` and below ``high``."""

    series: str
    expert: str
    low: float
    high: float | None
    cells: int
    metric: str
    value: float
    n: int


@dataclass(frozen=True)
class DayScore:
    """A figure of the blend on one local day; ``lead`` None is all leads together."""

    series: str
    day: str
    lead: int | None
    metric: str
    value: float
    n: int


def by_size(evaluator: Evaluator) -> Iterator[SizeScore]:
    """Yield figures of cells by their mean actual in the scored bins, all leads together."""
    level = evaluator.levels["cell"]
    names = level.sums.names
    total = level.sums.total.sum(axis=-1)  # (stat, expert, series, row)
    edges = (0.0, *BOUNDS, np.inf)
    for number, series in enumerate(evaluator.profile.series):
        n, actual = total[:2, 0, number]
        size = np.where(n > 0, actual / np.fmax(n, 1), np.nan)
        for low, high in pairwise(edges):
            among = (size >= low) & (size < high)
            if not among.any():
                continue
            top = None if np.isinf(high) else high
            scales = [scale[among] for scale in level.scales(number)]
            for place, expert in enumerate((BLEND, *evaluator.profile.experts)):
                group = total[:, place, number, among]  # (stat, row)
                found = dict(_figures(names, group.sum(axis=-1)))
                scaled = scaled_errors(dict(zip(names, group, strict=True)), *scales)
                found |= {metric: value for metric, value in scaled.items() if value is not None}
                n = int(group[0].sum())
                for metric, value in found.items():
                    yield SizeScore(series, expert, low, top, int(among.sum()), metric, value, n)


def by_day(evaluator: Evaluator) -> Iterator[DayScore]:
    """Yield figures of the blend for every local day, of all leads and of lead 1."""
    names = evaluator.trail.names
    scaled = evaluator.scaled_days.days()
    for ordinal, total in evaluator.trail.days().items():
        day = date.fromordinal(ordinal).isoformat()
        for number, series in enumerate(evaluator.profile.series):
            blend = total[:, 0, number]  # (stat, lead)
            for place, (lead, sums) in enumerate(((None, blend.sum(axis=-1)), (1, blend[:, 0]))):
                found = dict(_figures(names, sums))
                both = zip(SCALED, scaled[ordinal][:, number, place].tolist(), strict=True)
                found |= {metric: value for metric, value in both if np.isfinite(value)}
                for metric, value in found.items():
                    yield DayScore(series, day, lead, metric, value, int(sums[0]))


def by_week(evaluator: Evaluator) -> Iterator[Score]:
    """Yield, by lead, the share of whole weeks in which the blend covered about what it promised.

    That is within five points; ``n`` is the number of weeks, from Monday to Sunday.
    """
    names = evaluator.trail.names
    weeks: dict[int, list[NDArray[np.float64]]] = {}
    for ordinal, total in evaluator.trail.days().items():
        weeks.setdefault((ordinal - 1) // 7, []).append(total[:, 0])  # (stat, series, lead)
    whole = [np.sum(days, axis=0) for days in weeks.values() if len(days) == 7]
    for place, name in enumerate(names):
        kind, _, share = name.partition("_")
        if kind != "coverage" or not whole:
            continue
        n, covered = np.stack([week[[0, place]] for week in whole], axis=1)
        near = (np.abs(covered / np.fmax(n, 1) - float(share) / 100) <= NEAR) & (n > 0)
        for number, series in enumerate(evaluator.profile.series):
            for lead in range(1, evaluator.profile.horizon + 1):
                if known := int((n[:, number, lead - 1] > 0).sum()):
                    value = float(near[:, number, lead - 1].sum() / known)
                    yield Score(series, "cell", BLEND, lead, f"weeks_{share}", value, known)


def _figures(names: tuple[str, ...], sums: NDArray[np.float64]) -> Iterator[tuple[str, float]]:
    """Yield what sums, (stat,), come to, as far as it is defined."""
    found = figures_of(dict(zip(names, sums.tolist(), strict=True)))
    return ((metric, value) for metric, value in found if value is not None)
