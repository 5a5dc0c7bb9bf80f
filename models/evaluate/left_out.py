"""Leave one out: the blend without each of its experts, as if that had never been there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays
from tidecast.models.coherent import CoherentForecaster
from tidecast.models.covariates import Covariates
from tidecast.models.evaluate.evaluator import Evaluator, Span
from tidecast.models.evaluate.metrics import Score, scores_of
from tidecast.models.evaluate.said import Said, quantiles_of_blend, stacked
from tidecast.models.forecaster import Forecaster
from tidecast.models.parts import Parts
from tidecast.models.pending import Due
from tidecast.models.profile import ForecastProfile
from tidecast.models.scores import BLEND
from tidecast.state.cells import Cell
from tidecast.state.scopes import nested, scoped
from tidecast.state.slabs import Slab
from tidecast.state.window import Window

__all__ = ["LeftOut", "OverheardForecaster"]

Values = NDArray[np.float32]


class OverheardForecaster(Forecaster):
    """A forecaster that keeps what its experts said last: means, scales.

    Both are (expert, series, cell, lead).
    """

    def _ask(self, covariates: Covariates) -> tuple[Values, Values]:
        self.said = super()._ask(covariates)
        return self.said


class Echo:
    """An expert that learns nothing, and says what the expert at ``place`` has just said."""

    resets = 0

    def __init__(self, name: str, place: int, heard: OverheardForecaster) -> None:
        self.name = name
        self._place = place
        self._heard = heard

    def learn(self, window: Window, slab: Slab, covariates: Covariates) -> None:
        """Learn nothing."""

    def forecast(self, window: Window, covariates: Covariates) -> tuple[Values, Values]:
        """See `Expert.forecast`."""
        means, scales = self._heard.said
        return means[self._place], scales[self._place]

    def explain(self, window: Window, covariates: Covariates, cell: int) -> Parts:
        """See `Expert.explain`."""
        return self._heard.panel.experts[self._place].explain(window, covariates, cell)

    def snapshot(self) -> Arrays:
        """Return nothing: there is no state."""
        return {}

    def restore(self, arrays: Arrays) -> None:
        """Restore nothing."""


@dataclass(frozen=True)
class SaidByBlends(Said):
    """Forecasts of one bin by several blends; ``dues`` are those of the first, of all experts.

    ``others`` are dues of the other blends, at the same leads. Experts stand for nothing here.
    """

    others: tuple[tuple[Due, ...], ...]

    def means(self, n_cells: int) -> Values:
        """See `Said.means`: (blend, series, cell, due)."""
        blends = [[due.means[0] for due in dues] for dues in (self.dues, *self.others)]
        return np.stack([stacked(means, n_cells, np.nan) for means in blends])

    def quantiles(self, means: Values) -> Values:
        """See `Said.quantiles`: (blend, series, cell, due, level)."""
        n_cells = means.shape[2]
        return np.stack([quantiles_of_blend(dues, n_cells) for dues in (self.dues, *self.others)])

    def parts(self, n_entries: int) -> Iterator[Said]:
        """See `Said.parts`."""
        per_due = max(due.scale.size for due in self.dues) * self.dues[0].shapes.shape[-1]
        n = max(1, n_entries // max(1, per_due * (1 + len(self.others))))
        for start in range(0, len(self.dues), n):
            others = tuple(dues[start : start + n] for dues in self.others)
            yield SaidByBlends(self.dues[start : start + n], (), others)


class LeftOut:
    """Forecasters of all experts but one of ``left_out``, scored beside the blend: "without NAME".

    Weights and calibration are learnt anew, of cells and of sums; experts are not asked again, for
    they do not hear of the blend: what those of ``cells`` and ``totals`` said is used.
    """

    def __init__(
        self,
        profile: ForecastProfile,
        span: Span,
        left_out: Sequence[str],
        cells: OverheardForecaster,
        totals: OverheardForecaster,
    ) -> None:
        self.names = tuple(f"without {name}" for name in left_out)
        self.evaluator = Evaluator(replace(profile, experts=self.names), span)
        self._forecasters = {
            name: CoherentForecaster(_without(name, cells), _without(name, totals))
            for name in left_out
        }
        self._heard: dict[int, tuple[tuple[Due, ...], ...]] = {}

    def hear(self, bin_: int) -> None:
        """Keep what was said of a bin until it is scored; ask before it closes."""
        self._heard[bin_] = tuple(f.cells.said_of(bin_) for f in self._forecasters.values())

    def step(
        self, slab: Slab, cells: Sequence[Cell], positions: Mapping[str, tuple[float, float]]
    ) -> None:
        """Take the slab that the full forecaster has just taken; see `Forecaster.step`."""
        for forecaster in self._forecasters.values():
            forecaster.step(slab, cells, positions)

    def correct(self, slab: Slab, cells: Sequence[Cell]) -> None:
        """Take a correction; see `CoherentForecaster.correct`."""
        for forecaster in self._forecasters.values():
            forecaster.correct(slab, cells)

    def score(
        self, bin_: int, actual: NDArray[np.float64], cells: Sequence[Cell], said: Said
    ) -> None:
        """Score what was said of a bin that is final; see `Evaluator.add`."""
        blends = SaidByBlends(said.dues, (), self._heard.pop(bin_))
        self.evaluator.add(bin_, actual, cells, blends)

    def scores(self) -> Iterator[Score]:
        """Yield every figure of the blends of fewer experts."""
        return (score for score in scores_of(self.evaluator) if score.expert != BLEND)

    def snapshot(self) -> Arrays:
        """Return the state as arrays, but what was heard of bins that wait to be scored."""
        forecasters = {name: f.snapshot() for name, f in self._forecasters.items()}
        return nested({"evaluator": self.evaluator.snapshot(), **forecasters})

    def restore(self, arrays: Arrays, cells: Sequence[Cell]) -> None:
        """Become what ``snapshot`` was taken of; waiting bins are to be heard again."""
        self.evaluator.restore(scoped(arrays, "evaluator"), cells)
        for name, forecaster in self._forecasters.items():
            forecaster.restore(scoped(arrays, name))
        self._heard = {}


def _without(name: str, full: OverheardForecaster) -> Forecaster:
    """Return a forecaster of what all experts of ``full`` said, but one, if there is another."""
    all_ = list(enumerate(full.profile.experts))
    kept = [(place, other) for place, other in all_ if other != name] or all_
    profile = replace(full.profile, experts=tuple(other for _, other in kept))
    forecaster = Forecaster(profile, known=full.known)
    forecaster.panel.experts = tuple(Echo(other, place, full) for place, other in kept)
    return forecaster
