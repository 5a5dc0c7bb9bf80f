"""A backtest: the forecaster's own steps over slabs, and what its forecasts were worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tidecast.models.arrays import Arrays, finite
from tidecast.models.coherent import CoherentForecaster
from tidecast.models.evaluate.answers import Answers
from tidecast.models.evaluate.beside import Beside
from tidecast.models.evaluate.evaluator import Evaluator, Span
from tidecast.models.evaluate.fans import Fans
from tidecast.models.evaluate.left_out import LeftOut, OverheardForecaster
from tidecast.models.evaluate.of_sums import SumScores
from tidecast.models.evaluate.said import Said
from tidecast.models.evaluate.shapes import ExpertShapes
from tidecast.models.evaluate.weights import DailyWeights
from tidecast.models.profile import ForecastProfile
from tidecast.state.cells import Cell
from tidecast.state.covariates import CovariateTable
from tidecast.state.scopes import nested, scoped
from tidecast.state.slabs import Slab

__all__ = ["Backtest"]


class Backtest:
    """Predict, score, then learn: bin by bin, exactly as live.

    A bin is scored when it is final: at once, or when no correction can come any more. Peers that
    run ``beside`` are told the same, in the same order. The blends without one of the
    experts ``left_out`` are scored, too. The expert `deep` hears of every bin what ``deep`` says.
    """

    def __init__(
        self,
        profile: ForecastProfile,
        span: Span,
        beside: Beside | None = None,
        left_out: Sequence[str] = (),
        known: CovariateTable | None = None,
        deep: Answers | None = None,
    ) -> None:
        self.profile = profile
        cells = OverheardForecaster(profile, known=known)
        totals = OverheardForecaster(profile.of_totals())
        self.forecaster = CoherentForecaster(cells, totals)
        self.left_out = LeftOut(profile, span, left_out, cells, totals) if left_out else None
        self.evaluator = Evaluator(profile, span)
        self.of_sums = SumScores(profile, span)
        self.fans = Fans(profile, span.fans_origin)
        self.weights = DailyWeights(profile)
        self._shapes = ExpertShapes(profile)
        self._open: dict[int, tuple[Slab, Said]] = {}
        self.cells: Sequence[Cell] = ()
        self.beside = beside
        self._deep = deep

    def step(
        self, slab: Slab, cells: Sequence[Cell], positions: Mapping[str, tuple[float, float]]
    ) -> None:
        """Take the next closed bin, or a correction of one; see `Forecaster.step`."""
        if self.beside is not None:
            self.beside.step(slab)
        if slab.revision:
            self.forecaster.correct(slab, cells)
            if self.left_out is not None:
                self.left_out.correct(slab, cells)
            if self._deep is not None:
                self._deep.correct(slab, cells)
            if slab.bin in self._open:
                self._open[slab.bin] = (slab, self._open[slab.bin][1])
            return
        self.cells = cells
        self._hear(slab)
        if self._deep is not None and (said := self._deep.answer(slab, cells, positions)):
            self.forecaster.hear(said)
        _, forecast = self.forecaster.step(slab, cells, positions)
        if self.left_out is not None:
            self.left_out.step(slab, cells, positions)
        self.weights.add(forecast)
        self._shapes.keep(slab.bin)
        self._settle(self.profile.grid.end(slab.bin + 1) - self.profile.reach)

    def _hear(self, slab: Slab) -> None:
        """Keep what was said of a bin, and let experts' shapes learn from it."""
        dues = self.forecaster.cells.said_of(slab.bin)
        shapes = tuple(self._shapes.of(due, slab.bin - due.lead) for due in dues)
        said = Said(dues, shapes, sums=self.forecaster.totals.said_of(slab.bin))
        self._open[slab.bin] = (slab, said)
        self._shapes.learn(said, finite(slab.demand).T)
        if self.left_out is not None:
            self.left_out.hear(slab.bin)

    def end(self) -> None:
        """Score what no correction will come of any more, for there is nothing left to read."""
        self._settle(None)

    def _settle(self, now: int | None) -> None:
        """Score the closed bins that ended by ``now`` (None = all)."""
        end = self.profile.grid.end
        for bin_ in [b for b in sorted(self._open) if now is None or end(b) <= now]:
            slab, said = self._open.pop(bin_)
            actual = finite(slab.demand).T  # (series, cell)
            cells = self.cells[: actual.shape[1]]
            self.fans.add(bin_, actual, cells, said, self.evaluator)
            self.evaluator.add(bin_, actual, cells, said)
            self.of_sums.add(bin_, actual, cells, said)
            if self.beside is not None:
                self.beside.score(bin_, actual, cells, said)
            if self.left_out is not None:
                self.left_out.score(bin_, actual, cells, said)

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        waiting: Arrays = {}
        for bin_, (slab, said) in self._open.items():
            waiting[f"{bin_}/values"] = slab.demand
            if said.shapes:
                waiting[f"{bin_}/shapes"] = np.stack(said.shapes)
        return nested(
            {
                "forecaster": self.forecaster.snapshot(),
                "evaluator": self.evaluator.snapshot(),
                "of_sums": self.of_sums.snapshot(),
                "fans": self.fans.snapshot(),
                "weights": self.weights.snapshot(),
                "shapes": self._shapes.snapshot(),
                "open": waiting,
                "beside": {} if self.beside is None else self.beside.snapshot(),
                "left_out": {} if self.left_out is None else self.left_out.snapshot(),
                "deep": {} if self._deep is None else self._deep.snapshot(),
            }
        )

    def restore(self, arrays: Arrays, cells: Sequence[Cell]) -> None:
        """Become the backtest that ``snapshot`` was taken of, when it knew these ``cells``."""
        self.cells = cells
        self.forecaster.restore(scoped(arrays, "forecaster"))
        self.evaluator.restore(scoped(arrays, "evaluator"), cells)
        self.of_sums.restore(scoped(arrays, "of_sums"), cells)
        self.fans.restore(scoped(arrays, "fans"))
        self.weights.restore(scoped(arrays, "weights"))
        self._shapes.restore(scoped(arrays, "shapes"))
        if self.beside is not None:
            self.beside.restore(scoped(arrays, "beside"), cells)
        if self.left_out is not None:
            self.left_out.restore(scoped(arrays, "left_out"), cells)
        if self._deep is not None:
            self._deep.restore(scoped(arrays, "deep"), cells)
        self._open = {}
        waiting = scoped(arrays, "open")
        for bin_ in sorted(int(name.split("/")[0]) for name in waiting if name.endswith("values")):
            dues = self.forecaster.cells.said_of(bin_)  # kept as long as a correction may come
            shapes = tuple(waiting.get(f"{bin_}/shapes", ()))
            said = Said(dues, shapes, sums=self.forecaster.totals.said_of(bin_))
            self._open[bin_] = (Slab(bin_, waiting[f"{bin_}/values"]), said)
            if self.left_out is not None:
                self.left_out.hear(bin_)
