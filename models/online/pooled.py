"""Pooled recursive least squares by hour of the day, on counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays, Part, Stateful, runs
from tidecast.models.covariates import Calendar, Covariates
from tidecast.models.online.adapted import CLIP, weight_level
from tidecast.models.online.least_squares import HourlyLeastSquares
from tidecast.models.online.pooled_features import FeatureLook, PooledFeatures
from tidecast.models.online.trust import Trust
from tidecast.models.parts import (
    Parts,
    added,
    grouped,
    scaled,
    usual_parts,
    within,
)
from tidecast.models.profile import ForecastProfile
from tidecast.models.spread import Spread
from tidecast.state.slabs import Slab
from tidecast.state.window import Window

__all__ = ["PooledExpert"]

Cells = NDArray[np.float32]  # (lead, cell, series)

MOST_ROWS = 2000
"""Cells learnt from in a bin; of more, another part in every bin."""


class PooledExpert(Stateful):
    """Linear models of counts, shared by all cells: one per series, lead and hour of the day.

    The target is the departure from the adapted week (`AdaptedWeek`), in the series' own unit,
    with weights 1 / level, so that the models learn means. Each lead is forecast directly: when
    bin t closes, the model of lead h learns the pair (features at origin t - h, departure at t).

    Two factors in [0, 1], per series and lead, guard against saying too much: what of the week's
    ratio holds until the target, and what of the departures that a model says comes true.
    """

    name = "pooled"

    STATE = ("said", "said_at")

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
        look = self._features.look(window, covariates, range(1, self._horizon + 1))
        stride = max(1, -(-len(slab.values) // MOST_ROWS))
        part = slice((slab.bin + slab.bin // 24) % stride, None, stride)
        said = self._mean(look, np.array([1]), slice(1), covariates.usual_now[None], slab.bin - 1)
        self._spread.learn(slab.values - said[0])
        for leads in runs(self._horizon, len(slab.values)):
            self.resets += self._learn_some(leads, look, slab, covariates, part)
        self._said[slab.bin % self._horizon] = self._models.coefficients(slab.bin)
        self._said_at[slab.bin % self._horizon] = slab.bin

    def forecast(
        self, window: Window, covariates: Covariates
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return mean and scale, each (series, cell, lead); scale > 0."""
        look = self._features.look(window, covariates, range(1))
        mean = np.empty((*covariates.level.T.shape, self._horizon), np.float32)
        for leads in runs(self._horizon, len(covariates.level)):
            usual = covariates.usual_ahead[leads]
            said = self._mean(look, np.zeros(len(usual), np.int64), leads, usual, covariates.bin)
            mean[:, :, leads] = said.transpose(2, 1, 0)
        return np.maximum(mean, 0.0), self._spread.over_leads(covariates.scale, self._horizon)

    def _mean(
        self,
        look: FeatureLook,
        origins: NDArray[np.int64],
        leads: slice,
        usual: NDArray[np.float32],
        origin_bins: NDArray[np.int64] | int,
    ) -> Cells:
        """Return what is said at some leads, from ``origins`` counted back from the newest bin."""
        expected = usual + self._ratio_trust.of(leads)[:, None] * look.shift(origins, usual)
        matrix = look.matrix(origins, _numbers(leads), expected, slice(None))
        departure = self._departure(matrix, leads, origin_bins)
        mean: Cells = expected + self._trust.of(leads)[:, None] * departure
        return mean

    def _departure(
        self, matrix: NDArray[np.float32], leads: slice, origin_bins: NDArray[np.int64] | int
    ) -> Cells:
        """Return the departures that the models of the time say, of features (feature, ...)."""
        bins = np.broadcast_to(origin_bins, matrix.shape[1])
        return np.asarray((matrix * self._coefficients(leads, bins)[:, :, None]).sum(axis=0))

    def _coefficients(self, leads: slice, bins: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the models of origins, (feature, lead, series); 0 where there was none."""
        places = bins % self._horizon
        terms = self._said[places, :, _numbers(leads) - 1]  # (lead, series, feature)
        terms[self._said_at[places] != bins] = 0.0
        return terms.transpose(2, 0, 1).astype(np.float32)

    def _learn_some(
        self, leads: slice, look: FeatureLook, slab: Slab, covariates: Covariates, part: slice
    ) -> int:
        """Learn pairs (origin so many bins ago, this bin) from a part of the cells.

        Return how many models begin anew.
        """
        numbers, usual = _numbers(leads), covariates.usual_now
        shift = look.shift(numbers, usual)
        expected = usual + self._ratio_trust.of(leads)[:, None] * shift
        matrix = look.matrix(numbers, numbers, expected, part)
        expected, shift, usual = expected[:, part], shift[:, part], usual[part]
        departure = slab.values[part] - expected
        weight = np.where(np.isfinite(departure), 1.0 / weight_level(covariates.level)[part], 0.0)
        reach = CLIP * self._features.week.deviation[part]
        came = np.clip(np.nan_to_num(departure), -reach, reach)
        said = self._departure(matrix, leads, slab.bin - numbers)
        self._trust.learn(leads, said, came, usual, weight)
        self._ratio_trust.learn(leads, shift, came + expected - usual, usual, weight)
        rows = np.ascontiguousarray(matrix.transpose(3, 1, 0, 2), np.float64)
        came, weight = came.transpose(2, 0, 1), weight.transpose(2, 0, 1)
        return self._models.learn(leads, slab.bin, rows, came, weight)

    def explain(self, window: Window, covariates: Covariates, cell: int) -> Parts:
        """See `Expert.explain`: the adapted week, and the terms of the departure from it."""
        if cell >= self._features.n_cells:  # nothing was learnt yet
            return usual_parts(covariates, cell)
        look = self._features.look(window, covariates, range(1))
        leads = runs(self._horizon, len(covariates.level))
        parts = [self._explain_some(look, some, covariates, cell) for some in leads]
        joined = {name: np.concatenate([of[name] for of in parts]).T for name in parts[0]}
        return within(joined, 0.0, np.inf)

    def _explain_some(
        self, look: FeatureLook, leads: slice, covariates: Covariates, cell: int
    ) -> Parts:
        """Return the parts of some leads, (lead, series) each."""
        ahead, level = covariates.usual_ahead[leads], covariates.level[cell]
        origins = np.zeros(len(ahead), np.int64)
        shift = self._ratio_trust.of(leads)[:, None] * look.shift(origins, ahead)
        week = {"level": level, "season": ahead[:, cell] - level, "recent": shift[:, cell]}
        one = slice(cell, cell + 1)
        matrix = look.matrix(origins, _numbers(leads), ahead + shift, one)[:, :, 0]
        trusted = self._trust.of(leads) * self._coefficients(leads, covariates.bin + origins)
        trusted = trusted.astype(np.float64)  # (feature, lead, series)
        # the first feature is what is expected of the target: its term is so much more of the week
        departure = grouped(matrix[1:] * trusted[1:], self._features.parts[1:])
        return added(scaled(week, 1.0 + trusted[0]), departure)

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        return {**super().snapshot(), "resets": np.array(self.resets, np.int64)}

    def restore(self, arrays: Arrays) -> None:
        """Become the expert that ``snapshot`` was taken of."""
        super().restore(arrays)
        self.resets = int(arrays["resets"])

    def _members(self) -> dict[str, Part]:
        return {
            "features": self._features,
            "models": self._models,
            "ratio_trust": self._ratio_trust,
            "trust": self._trust,
            "spread": self._spread,
        }


def _numbers(leads: slice) -> NDArray[np.int64]:
    """Return leads, from 1, of their places on an axis."""
    return np.arange(leads.start or 0, leads.stop) + 1
