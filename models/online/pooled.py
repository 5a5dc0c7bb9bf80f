"""Pooled recursive least squares by hour of the day, on counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays, nested, scoped
from tidecast.models.covariates import Calendar, Covariates
from tidecast.models.online.adapted import CLIP, weight_level
from tidecast.models.online.least_squares import HourlyLeastSquares
from tidecast.models.online.pooled_features import FeatureLook, PooledFeatures
from tidecast.models.online.trust import Trust
from tidecast.models.parts import (
    Parts,
    added,
    grouped,
    over_leads,
    scaled,
    usual_parts,
    within,
)
from tidecast.models.profile import ForecastProfile
from tidecast.models.spread import Spread
from tidecast.state.slabs import Slab
from tidecast.state.window import Window

__all__ = ["PooledExpert"]

MOST_ROWS = 2000
"""Cells learnt from in a bin; of more, another part in every bin."""


class PooledExpert:
    """Linear models of counts, shared by all cells: one per series, lead and hour of the day.

    The target is the departure from the adapted week (`AdaptedWeek`), in the series' own unit,
    with weights 1 / level, so that the models learn means. Each lead is forecast directly: when
    bin t closes, the model of lead h learns the pair (features at origin t - h, departure at t).

    Two factors in [0, 1], per series and lead, guard against saying too much: what of the week's
    ratio holds until the target, and what of the departures that a model says comes true.
    """

    name = "pooled"

    def __init__(self, profile: ForecastProfile) -> None:
        self.resets = 0
        self._horizon = profile.horizon
        calendar = Calendar(profile.grid)
        shape = (profile.n_series, profile.horizon)
        self._features = PooledFeatures(profile)
        n_features = len(self._features.names)
        self._models = HourlyLeastSquares(*shape, n_features, calendar)
        self._ratio_trust = Trust(*shape, calendar.bins_per_slot)
        self._trust = Trust(*shape, calendar.bins_per_slot)
        self._spread = Spread(profile.n_series)
        self._said = np.zeros((profile.horizon, *shape, n_features))  # of late origins, in turn
        self._said_at = np.full(profile.horizon, -1, np.int64)

    def learn(self, window: Window, slab: Slab, covariates: Covariates) -> None:
        """Add the rows of the bin to every lead's model, and solve those of the bins ahead."""
        self._features.learn(slab.bin, slab.values, covariates)
        look = self._features.look(window, covariates)
        stride = max(1, -(-len(slab.values) // MOST_ROWS))
        part = slice((slab.bin + slab.bin // 24) % stride, None, stride)
        self._spread.learn(slab.values - self._mean(look, 1, 1, covariates.usual_now, slab.bin))
        for lead in range(1, self._horizon + 1):
            self._learn_lead(lead, look, slab, covariates, part)
        self.resets += self._models.reset_insane()
        self._said[slab.bin % self._horizon] = self._models.coefficients(slab.bin)
        self._said_at[slab.bin % self._horizon] = slab.bin

    def forecast(
        self, window: Window, covariates: Covariates
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return mean and scale, each (series, cell, lead); scale > 0."""
        look = self._features.look(window, covariates)
        mean = np.empty((*covariates.level.T.shape, self._horizon), np.float32)
        for lead, usual in enumerate(covariates.usual_ahead, 1):
            mean[:, :, lead - 1] = self._mean(look, 0, lead, usual, covariates.bin + lead).T
        return np.maximum(mean, 0.0), self._spread.over_leads(covariates.scale, self._horizon)

    def _mean(
        self, look: FeatureLook, origin: int, lead: int, usual: NDArray[np.float32], target: int
    ) -> NDArray[np.float32]:
        """Return what is said, from ``origin`` bins ago, of the bin ``target``: (cell, series)."""
        expected = usual + self._ratio_trust.of(lead) * look.shift(origin, usual)
        matrix = look.matrix(origin, lead, expected, slice(None))
        departure = self._departure(matrix, lead, target)
        mean: NDArray[np.float32] = expected + self._trust.of(lead) * departure
        return mean

    def _departure(
        self, matrix: NDArray[np.float32], lead: int, target: int
    ) -> NDArray[np.float32]:
        """Return the departures that the model of the time says of a bin: (cell, series)."""
        terms = self._coefficients(lead, target)
        return np.asarray((matrix * terms[:, None]).sum(axis=0))

    def _coefficients(self, lead: int, target: int) -> NDArray[np.float32]:
        """Return the model of the time, (feature, series); 0 where there was none."""
        place = (target - lead) % self._horizon
        terms = self._said[place, :, lead - 1].T.astype(np.float32)
        return terms if self._said_at[place] == target - lead else np.zeros_like(terms)

    def _learn_lead(
        self, lead: int, look: FeatureLook, slab: Slab, covariates: Covariates, part: slice
    ) -> None:
        """Learn the pair (origin so many bins ago, this bin) from a part of the cells."""
        usual = covariates.usual_now
        shift = look.shift(lead, usual)
        expected = usual + self._ratio_trust.of(lead) * shift
        matrix = look.matrix(lead, lead, expected, part)
        departure = slab.values[part] - expected[part]
        weight = np.where(np.isfinite(departure), 1.0 / weight_level(covariates.level)[part], 0.0)
        reach = CLIP * self._features.week.deviation[part]
        came = np.clip(np.nan_to_num(departure), -reach, reach)
        said = self._departure(matrix, lead, slab.bin)
        self._trust.learn(lead, said, came, usual[part], weight)
        away = came + expected[part] - usual[part]
        self._ratio_trust.learn(lead, shift[part], away, usual[part], weight)
        rows = matrix.astype(np.float64).transpose(2, 1, 0)  # (series, row, feature)
        self._models.learn(lead, slab.bin, rows, came.T, weight.T)

    def explain(self, window: Window, covariates: Covariates, cell: int) -> Parts:
        """See `Expert.explain`: the adapted week, and the terms of the departure from it."""
        if cell >= self._features.n_cells:  # nothing was learnt yet
            return usual_parts(covariates, cell)
        look = self._features.look(window, covariates)
        leads = range(1, self._horizon + 1)
        parts = [self._explain_lead(look, lead, covariates, cell) for lead in leads]
        return within(over_leads(parts), 0.0, np.inf)

    def _explain_lead(
        self, look: FeatureLook, lead: int, covariates: Covariates, cell: int
    ) -> Parts:
        """Return the parts of one lead, (series,) each."""
        usual, level = covariates.usual_ahead[lead - 1], covariates.level[cell]
        shift = self._ratio_trust.of(lead) * look.shift(0, usual)
        week = {"level": level, "season": usual[cell] - level, "recent": shift[cell]}
        matrix = look.matrix(0, lead, usual + shift, slice(cell, cell + 1))[:, 0]
        trusted = self._trust.of(lead) * self._coefficients(lead, covariates.bin + lead)
        # the first feature is what is expected of the target: its term is so much more of the week
        departure = grouped(matrix[1:] * trusted[1:], self._features.parts[1:])
        return added(scaled(week, 1.0 + trusted[0]), departure)

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        parts = {name: part.snapshot() for name, part in self._parts().items()}
        own = {"said": self._said.copy(), "said_at": self._said_at.copy()}
        return {**nested(parts), **own, "resets": np.array(self.resets, np.int64)}

    def restore(self, arrays: Arrays) -> None:
        """Become the expert that ``snapshot`` was taken of."""
        for name, part in self._parts().items():
            part.restore(scoped(arrays, name))
        self._said, self._said_at = arrays["said"].copy(), arrays["said_at"].copy()
        self.resets = int(arrays["resets"])

    def _parts(self) -> dict[str, PooledFeatures | HourlyLeastSquares | Trust | Spread]:
        return {
            "features": self._features,
            "models": self._models,
            "ratio_trust": self._ratio_trust,
            "trust": self._trust,
            "spread": self._spread,
        }
