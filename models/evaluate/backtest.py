"""A backtest: the forecaster's own steps over slabs, and what its forecasts were worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tidecast.models.arrays import Arrays, finite, nested, scoped
from tidecast.models.coherent import CoherentForecaster
from tidecast.models.evaluate.evaluator import Evaluator, Span
from tidecast.models.evaluate.fans import Fans
from tidecast.models.evaluate.said import Said
from tidecast.models.evaluate.shapes import ExpertShapes
from tidecast.models.evaluate.weights import DailyWeights
from tidecast.models.profile import ForecastProfile
from tidecast.state.cells import Cell
from tidecast.state.slabs import Slab

__all__ = ["Backtest"]


class Backtest:
    """Predict, score, then learn: bin by bin, exactly as live.

    A bin is scored when it is final: at once, or when no correction can come any more.
    """

    def __init__(self, profile: ForecastProfile, span: Span) -> None:
        self.profile = profile
        self.forecaster = CoherentForecaster(profile)
        self.evaluator = Evaluator(profile, span)
        self.fans = Fans(profile, span.fans_origin)
        self.weights = DailyWeights(profile)
        self._shapes = ExpertShapes(profile)
        self._open: dict[int, tuple[Slab, Said]] = {}
        self.cells: Sequence[Cell] = ()

    def step(
        self, slab: Slab, cells: Sequence[Cell], positions: Mapping[str, tuple[float, float]]
    ) -> None:
        """Take the next closed bin, or a correction of one; see `Forecaster.step`."""
        if slab.revision:
            self.forecaster.correct(slab, cells)
            if slab.bin in self._open:
                self._open[slab.bin] = (slab, self._open[slab.bin][1])
            return
        self.cells = cells
        self._hear(slab)
        _, forecast = self.forecaster.step(slab, cells, positions)
        self.weights.add(forecast)
        self._shapes.keep(slab.bin)
        self._settle(self.profile.grid.end(slab.bin + 1) - self.profile.reach)

    def _hear(self, slab: Slab) -> None:
        """Keep what was said of a bin, and let experts' shapes learn from it."""
        dues = self.forecaster.cells.said_of(slab.bin)
        shapes = tuple(self._shapes.of(due, slab.bin - due.lead) for due in dues)
        said = Said(dues, shapes)
        self._open[slab.bin] = (slab, said)
        self._shapes.learn(said, finite(slab.values).T)

    def end(self) -> None:
        """Score what no correction will come of any more, for there is nothing left to read."""
        self._settle(None)

    def _settle(self, now: int | None) -> None:
        """Score the closed bins that ended by ``now`` (None = all)."""
        end = self.profile.grid.end
        for bin_ in [b for b in sorted(self._open) if now is None or end(b) <= now]:
            slab, said = self._open.pop(bin_)
            actual = finite(slab.values).T  # (series, cell)
            self.fans.add(bin_, actual, said, self.evaluator)
            self.evaluator.add(bin_, actual, self.cells[: actual.shape[1]], said)

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        waiting: Arrays = {}
        for bin_, (slab, said) in self._open.items():
            waiting[f"{bin_}/values"] = slab.values
            if said.shapes:
                waiting[f"{bin_}/shapes"] = np.stack(said.shapes)
        return nested(
            {
                "forecaster": self.forecaster.snapshot(),
                "evaluator": self.evaluator.snapshot(),
                "fans": self.fans.snapshot(),
                "weights": self.weights.snapshot(),
                "shapes": self._shapes.snapshot(),
                "open": waiting,
            }
        )

    def restore(self, arrays: Arrays, cells: Sequence[Cell]) -> None:
        """Become the backtest that ``snapshot`` was taken of, when it knew these ``cells``."""
        self.cells = cells
        self.forecaster.restore(scoped(arrays, "forecaster"))
        self.evaluator.restore(scoped(arrays, "evaluator"), cells)
        self.fans.restore(scoped(arrays, "fans"))
        self.weights.restore(scoped(arrays, "weights"))
        self._shapes.restore(scoped(arrays, "shapes"))
        self._open = {}
        waiting = scoped(arrays, "open")
        for bin_ in sorted(int(name.split("/")[0]) for name in waiting if name.endswith("values")):
            dues = self.forecaster.cells.said_of(bin_)  # kept as long as a correction may come
            said = Said(dues, tuple(waiting.get(f"{bin_}/shapes", ())))
            self._open[bin_] = (Slab(bin_, waiting[f"{bin_}/values"]), said)
