"""Metrics: from sums of losses to the figures that are reported."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidecast.models.evaluate.denominators import scaled_errors
from tidecast.models.evaluate.difference import compare
from tidecast.models.evaluate.evaluator import Evaluator, Level
from tidecast.models.evaluate.sums import PLAIN
from tidecast.models.scores import BLEND

__all__ = ["Score", "awake", "figures_of", "scores_of"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Score:
    """One figure: ``lead`` None is all leads together; ``n`` how many forecasts it is of.

    ``value`` is None where it is not defined: a relative error of nothing.
    """

    series: str
    level: str
    expert: str
    lead: int | None
    metric: str
    value: float | None
    n: int


def scores_of(evaluator: Evaluator) -> Iterator[Score]:
    """Yield every figure of a run, level by level; leads without a forecast are left out."""
    profile = evaluator.profile
    experts = (BLEND, *profile.experts)
    leads = [None, *range(1, profile.horizon + 1)]
    for name, level in evaluator.levels.items():
        for number, series in enumerate(profile.series):
            for place, expert in enumerate(experts):
                for lead in leads:
                    sums = Chosen(level, place, number, lead)
                    for metric, value in sums.metrics():
                        yield Score(series, name, expert, lead, metric, value, sums.n)
    yield from _differences(evaluator, experts)


def awake(scores: Sequence[Score], series: str) -> dict[str, float]:
    """Return of what share of the blend's forecasts of cells each expert gave one, all leads.

    Who slept in some has figures of the others only: they are not of what the blend is judged by.
    Nothing is returned where nobody slept, or only who never spoke.
    """
    n = {
        score.expert: score.n
        for score in scores
        if (score.series, score.level, score.lead, score.metric) == (series, "cell", None, "mae")
    }
    shares = {expert: found / n[BLEND] for expert, found in n.items()}
    return shares if any(share < 1.0 for share in shares.values()) else {}


class Chosen:
    """The sums of one expert, series and lead (None = all of them), (row,) each."""

    def __init__(self, level: Level, expert: int, series: int, lead: int | None) -> None:
        total = level.sums.total[:, expert, series]  # (stat, row, lead)
        rows = total.sum(axis=-1) if lead is None else total[:, :, lead - 1]
        self._rows = dict(zip(level.sums.names, rows, strict=True))
        self._season, self._step = level.scales(series)
        self.n = int(self._rows["n"].sum())

    def metrics(self) -> Iterator[tuple[str, float | None]]:
        """Yield names and values; nothing where there was no forecast."""
        if self.n:
            yield from figures_of({name: float(rows.sum()) for name, rows in self._rows.items()})
            yield from scaled_errors(self._rows, self._season, self._step).items()


def figures_of(sums: Mapping[str, float]) -> Iterator[tuple[str, float | None]]:
    """Yield what ``sums``, named as `Losses` names them, come to; nothing of no forecast.

    WAPE is None where all actuals are zero.
    """
    n = sums["n"]
    if not n:
        return
    yield "mae", sums["absolute"] / n
    yield "wape", sums["absolute"] / sums["actual"] if sums["actual"] else None
    yield "rmse", math.sqrt(sums["squared"] / n)
    yield from ((name, total / n) for name, total in sums.items() if name not in PLAIN)


def _differences(evaluator: Evaluator, experts: tuple[str, ...]) -> Iterator[Score]:
    """Yield Diebold-Mariano tests of every expert against the blend."""
    profile = evaluator.profile
    for loss in ("pinball", "squared"):
        means = evaluator.trail.means(loss)  # (bin, expert, series, lead)
        for number, series in enumerate(profile.series):
            for place, expert in enumerate(experts[1:], 1):
                excess = means[:, place, number] - means[:, 0, number]  # (bin, lead)
                for lead, found in compare(excess).items():
                    for metric, value in (("statistic", found.statistic), ("p", found.p)):
                        name = f"dm_{loss}_{metric}"
                        yield Score(series, "cell", expert, lead, name, value, found.n)
