"""Scores of sums: what the blend's quantiles of regions, categories and the total were worth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tidecast.models.aggregates import Hierarchy
from tidecast.models.arrays import Arrays, grown
from tidecast.models.evaluate.evaluator import Span
from tidecast.models.evaluate.levels import LEVELS
from tidecast.models.evaluate.metrics import Score, figures_of
from tidecast.models.evaluate.said import Said, quantiles_of_blend, stacked
from tidecast.models.evaluate.sums import Losses, Sums
from tidecast.models.profile import ForecastProfile
from tidecast.models.scores import BLEND
from tidecast.state.cells import ALL, Cell

__all__ = ["OF_MEDIANS", "SumScores"]

Table = NDArray[np.float64]

OF_MEDIANS = {"mae": "mae_median", "wape": "wape_median"}
"""How errors of the blend's median of sums are called, where plain ones are of the mean."""


class SumScores:
    """Losses of the quantiles of sums, added up by node and lead.

    They are held against what the engine of sums learns from: a missing cell counts for what was
    forecast of it, and a sum of which less than four fifths is known is missing. Experts give no
    quantiles of sums; means of sums are scored with the cells', and errors of the blend's median
    have names of their own.
    """

    def __init__(self, profile: ForecastProfile, span: Span) -> None:
        self._profile = replace(profile.of_totals(), experts=())
        self._summed = list(profile.summed)
        self._span = span
        self._losses = Losses(self._profile, [place in span.counts for place in self._summed])
        self._sums = Sums.empty(self._losses.names, self._profile)
        self._hierarchy = Hierarchy()

    def add(self, bin_: int, actual: Table, cells: Sequence[Cell], said: Said) -> None:
        """Score what was ``said`` of a bin whose ``actual``, (series, cell), is final."""
        self._hierarchy.see(cells)
        if bin_ < self._span.first_bin or not said.sums:
            return
        n_nodes = len(self._hierarchy.nodes)
        observed = self._observed(actual, said)  # (series, node)
        losses = self._losses.of_quantiles(
            observed[..., None],
            stacked([due.means[:1] for due in said.sums], n_nodes, np.nan),
            quantiles_of_blend(said.sums, n_nodes)[None],
            self._span.where.keeps(observed)[..., None],
        )  # (stat, blend, series, node, due)
        self._sums.add([due.lead - 1 for due in said.sums], losses)

    def _observed(self, actual: Table, said: Said) -> Table:
        """Return the actuals of nodes; a cell that this bin did not know yet had nothing in it.

        A correction of an earlier bin may have brought one.
        """
        newest = min(said.dues, key=lambda due: due.lead).means[0, self._summed]  # (series, cell)
        n_cells = self._hierarchy.n_cells
        values = grown(actual[self._summed].T, n_cells)
        return self._hierarchy.observed(values, grown(newest.T, n_cells)).T

    def scores(self) -> Iterator[Score]:
        """Yield every figure, level by level; leads without a forecast are left out."""
        levels = np.array([_level(node) for node in self._hierarchy.nodes])
        levels = levels[: self._sums.total.shape[3]]
        for level in LEVELS[1:]:
            of_level = self._sums.total[:, 0][:, :, levels == level].sum(axis=2)
            for series, total in zip(self._profile.series, of_level.swapaxes(0, 1), strict=True):
                yield from self._of(series, level, None, total.sum(axis=-1))
                for lead, of_lead in enumerate(total.T, 1):
                    yield from self._of(series, level, lead, of_lead)

    def _of(self, series: str, level: str, lead: int | None, sums: Table) -> Iterator[Score]:
        """Yield figures of ``sums``, (stat,): losses of quantiles, errors of the median."""
        found = dict(zip(self._sums.names, sums.tolist(), strict=True))
        for metric, value in figures_of(found):
            if metric != "rmse" and value is not None:  # RMSE is told of means, with the cells'
                name = OF_MEDIANS.get(metric, metric)
                yield Score(series, level, BLEND, lead, name, value, int(found["n"]))

    def snapshot(self) -> Arrays:
        """Return the state as arrays; nodes are known by the cells."""
        return {"total": self._sums.total.copy()}

    def restore(self, arrays: Arrays, cells: Sequence[Cell]) -> None:
        """Become what ``snapshot`` was taken of, when it knew these ``cells``."""
        self._hierarchy.see(cells)
        self._sums.total = arrays["total"].copy()


def _level(node: Cell) -> str:
    if node.region != ALL:
        return "region"
    return "category" if node.category != ALL else "total"
