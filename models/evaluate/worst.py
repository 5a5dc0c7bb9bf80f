"""Worst cells: where forecasts lose most, beside a plain yardstick."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tidecast.models.evaluate.evaluator import Evaluator

__all__ = ["WorstCell", "worst_cells", "yardstick"]

BULK = 0.9
"""Share of all that was observed which the cells that are compared hold together: the others are
so small that chance decides who of them is worst."""


@dataclass(frozen=True)
class WorstCell:
    """Errors of the blend in one cell, over all leads.

    ``mean`` is the mean absolute actual of a bin, ``wape`` the blend's, ``plain_wape`` the
    yardstick's, ``share`` the cell's part of the blend's errors in all cells.
    """

    cell: int
    mean: float
    wape: float
    plain_wape: float
    share: float


def yardstick(experts: Sequence[str]) -> str:
    """Return the expert beside which cells are judged: the seasonal naive, else the first."""
    return "seasonal_naive" if "seasonal_naive" in experts else experts[0]


def worst_cells(evaluator: Evaluator, series: int, most: int) -> list[WorstCell]:
    """Return at most so many cells, the worst first: by the blend's error over the yardstick's.

    Only cells that were scored are compared, and of these the largest, which hold nine tenths.
    """
    sums = evaluator.levels["cell"].sums
    experts = evaluator.profile.experts
    place = 1 + experts.index(yardstick(experts))
    n, actual, ours = (sums[name][0, series].sum(axis=-1) for name in ("n", "actual", "absolute"))
    plain = sums["absolute"][place, series].sum(axis=-1)  # (cell,)
    plain_actual = sums["actual"][place, series].sum(axis=-1)
    largest = np.argsort(-actual, kind="stable")
    before = np.cumsum(actual[largest]) - actual[largest]
    among = np.sort(largest[(before < BULK * actual.sum()) & (plain[largest] > 0)])
    ratio = ours[among] / actual[among] * plain_actual[among] / plain[among]
    return [
        WorstCell(
            cell=cell,
            mean=float(actual[cell] / n[cell]),
            wape=float(ours[cell] / actual[cell]),
            plain_wape=float(plain[cell] / plain_actual[cell]),
            share=float(ours[cell] / ours.sum()) if ours.any() else 0.0,
        )
        for cell in among[np.argsort(-ratio, kind="stable")][:most].tolist()
    ]
