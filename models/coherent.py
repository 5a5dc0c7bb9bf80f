"""Coherence: forecasts of cells, and of what they add up to, that agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tidecast.models.aggregates import Hierarchy
from tidecast.models.arrays import Part, Stateful, grown
from tidecast.models.beginning import Anew
from tidecast.models.effects import TELLING
from tidecast.models.explain import Explanation
from tidecast.models.forecast import Forecast, Opinion, Totals
from tidecast.models.forecaster import Forecaster
from tidecast.models.outlook import Moves
from tidecast.models.periodic.refits import Refits
from tidecast.models.reconcile import reconcile
from tidecast.models.scores import Scores
from tidecast.models.worth import Worth
from tidecast.state.cells import Cell
from tidecast.state.deep_forecast import DeepForecast
from tidecast.state.slabs import Slab

__all__ = ["CoherentForecaster"]

Positions = Mapping[str, tuple[float, float]]
Table = NDArray[np.float64]
Values = NDArray[np.float32]

KEPT_PER_BIN = 0.99
"""What is left of a cell's variance a bin later: cells that were just off must not take the
changes, for what they were off by is not what they will be."""


class CoherentForecaster(Stateful):
    """Cells, and the regions, categories and total that they add up to; means that add up.

    Sums are forecast by an engine of their own, and so have experts, weights and intervals of
    their own level. Then cells are moved to agree with them, and sums are given out with the sums
    of the means of their cells, rounded to single precision. Series that are means or ratios have
    no sums, and are left as they are.

    What is known ahead moves a sum as it moves its cells: these tell the engine of sums.
    """

    def __init__(self, cells: Forecaster, totals: Forecaster | None = None) -> None:
        self.cells = cells
        self.profile = cells.profile
        self.totals = totals or Forecaster(self.profile.of_totals())
        self._summed = list(self.profile.summed)
        self._hierarchy = Hierarchy()
        self._worth = Worth(len(self._summed), self.profile.horizon)
        self._variance = SlowVariance(len(self._summed))

    def step(
        self, slab: Slab, cells: Sequence[Cell], positions: Positions
    ) -> tuple[Scores | None, Forecast]:
        """Score the forecasts of this bin, learn from it, and forecast the next ones.

        It is as `Forecaster.step`; scores are those of cells.
        """
        if (anew := self.cells.beginning.keep(slab)) is not None:
            self._begin_anew(anew, slab.bin, cells, positions)
        expected = self._expected(slab, cells)
        scores = self.cells.score(slab)
        opinion = self.cells.advance(slab, cells, positions)
        sums = self._observed(opinion.heard, expected)
        if not sums.size:
            return scores, self.cells.issue(opinion, opinion.mean)
        for due in self.totals.said_of(slab.bin):
            self._worth.learn(slab.bin, due.lead, sums.T, due.scale)
        nodes = tuple(self._hierarchy.nodes)
        moves = self._moves(opinion, expected)
        of_totals = self.totals.advance(Slab(slab.bin, sums), nodes, positions, moves)
        mean = opinion.mean.copy()
        mean[self._summed] = self._agreed(opinion, of_totals)
        total = self.totals.issue(of_totals, self._added(mean[self._summed]))
        forecast = self.cells.issue(opinion, mean)
        return scores, replace(forecast, totals=Totals(nodes, tuple(self._summed), total))

    def _begin_anew(
        self, anew: Anew, next_bin: int, cells: Sequence[Cell], positions: Positions
    ) -> None:
        """Learn the beginning again, without its bursts; what was given out meanwhile stays."""
        other = CoherentForecaster(self.cells.unlearnt(), self.totals.unlearnt())
        for slab in anew.slabs:
            other.step(slab, cells[: len(slab.values)], positions)
        self.cells.count(anew)
        self.cells.become(other.cells, next_bin)
        self.totals.become(other.totals, next_bin)
        self._worth, self._variance = other._worth, other._variance

    def correct(self, slab: Slab, cells: Sequence[Cell]) -> Scores | None:
        """Replace the values of an earlier bin of all ``cells``; see `Forecaster.correct`."""
        expected = self._expected(slab, cells)
        sums = self._observed(self.cells.amend(slab), expected)
        if sums.size:
            self.totals.amend(Slab(slab.bin, sums, revision=slab.revision))
        return self.cells.score(slab)

    def explain(self, cell: Cell, cells: Sequence[Cell], positions: Positions) -> Explanation:
        """Return what the last forecast of a cell, or of a node, is made of.

        A node is named with `ALL` for what it is summed over; see `Forecaster.explain`.

        Raises
        ------
        LookupError
            When there is no such cell or node, or nothing was forecast of it.
        """
        if cell in cells:
            return self.cells.explain(cells.index(cell), cells, positions)
        self._hierarchy.see(cells)
        nodes = self._hierarchy.nodes
        if cell in nodes:
            return self.totals.explain(nodes.index(cell), nodes, positions)
        raise LookupError(f"there is no cell {cell}")

    def hear(self, said: DeepForecast) -> None:
        """Let the expert `deep` of cells speak at the next step; see `Forecaster.hear`."""
        self.cells.hear(said)

    @property
    def refits(self) -> Refits:
        """The refits of the experts of cells; those of sums have none."""
        return self.cells.refits

    @property
    def n_cells(self) -> int:
        """Cells that were forecast so far."""
        return self.cells.n_cells

    @property
    def actions(self) -> Mapping[str, NDArray[np.int64]]:
        """What the guards of cells did so far: see `Forecaster.actions`."""
        return self.cells.actions

    @property
    def resets(self) -> dict[str, int]:
        """How often each expert, of cells or of sums, began anew."""
        of_sums = self.totals.resets
        return {name: n + of_sums.get(name, 0) for name, n in self.cells.resets.items()}

    def _expected(self, slab: Slab, cells: Sequence[Cell]) -> Table:
        """Return what was last forecast of a bin, (cell, series), 0 where nothing was."""
        self._hierarchy.see(cells)
        expected = np.zeros((len(slab.values), len(self._summed)))
        for due in sorted(self.cells.said_of(slab.bin), key=lambda due: -due.lead):
            expected[: due.means.shape[2]] = due.means[0, self._summed].T  # the newest comes last
        return expected

    def _observed(self, heard: Table, expected: Table) -> Table:
        """Return the actuals of nodes, (node, series), of values of cells that may be learnt from.

        Others, and those that are missing, count as was forecast.
        """
        return self._hierarchy.observed(heard[:, self._summed], expected)

    def _agreed(self, opinion: Opinion, of_totals: Opinion) -> Values:
        """Return the means of cells, (series, cell, lead), that agree with those of nodes."""
        mean, own = opinion.mean[self._summed], of_totals.mean
        self._variance.learn(opinion.scale[self._summed, :, 0])
        worth = self._worth.of(own.shape[1])
        self._worth.say(opinion.origin_bin, self._added(mean), own)
        variance = np.broadcast_to(self._variance.of_cells()[:, :, None], mean.shape)
        of_cells = _columns(mean), _columns(variance)
        agreed = reconcile(*of_cells, _columns(own), _columns(worth), self._hierarchy)
        return _columns(agreed).astype(np.float32)

    def _moves(self, opinion: Opinion, expected: Table) -> Moves:
        """Return what moves nodes: what moves their cells, by what is forecast of each.

        ``expected``, (cell, series), was forecast of the bin that the opinion begins at.
        """
        mean = opinion.mean[self._summed].transpose(1, 2, 0)  # (cell, lead, series)
        ahead = opinion.moves.ahead[..., self._summed].swapaxes(0, 1)
        return Moves(
            self._moved(expected, opinion.moves.now[:, self._summed]),
            self._moved(mean, ahead).swapaxes(0, 1),
        )

    def _moved(self, values: NDArray[np.floating], factors: Values) -> Values:
        """Return the factor of nodes' sums, (node, ...), of ``values`` and theirs, (cell, ...)."""
        whole = self._hierarchy.sums(values)
        usual = self._hierarchy.sums(values / np.fmax(factors, TELLING))
        moved = np.where(usual > 0.0, whole / np.where(usual > 0.0, usual, 1.0), 1.0)
        return moved.astype(np.float32)

    def _added(self, mean: NDArray[np.floating]) -> Values:
        """Return the sums of nodes, (series, node, lead), of means of cells."""
        return _columns(self._hierarchy.sums(_columns(mean))).astype(np.float32)

    def _members(self) -> dict[str, Part]:
        return {
            "cells": self.cells,
            "totals": self.totals,
            "worth": self._worth,
            "variance": self._variance,
        }


class SlowVariance(Stateful):
    """A discounted mean of the squared scales of cells, (series, cell)."""

    STATE = ("total", "weight")

    def __init__(self, n_series: int) -> None:
        self._total = np.zeros((n_series, 0))
        self._weight = np.zeros((n_series, 0))

    def learn(self, scale: Values) -> None:
        """Add the scales that forecasts of cells, (series, cell), have by now."""
        n_cells = scale.shape[1]
        self._total = KEPT_PER_BIN * grown(self._total, n_cells, axis=1) + np.square(scale)
        self._weight = KEPT_PER_BIN * grown(self._weight, n_cells, axis=1) + 1.0

    def of_cells(self) -> Table:
        """Return the variances, (series, cell)."""
        return self._total / self._weight


def _columns(array: NDArray[np.floating]) -> Table:
    """Return (series, row, lead) as (row, series, lead), and the other way round."""
    return np.ascontiguousarray(array.swapaxes(0, 1), np.float64)
