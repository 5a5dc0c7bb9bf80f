"""One River linear model shared by all cells, per series and lead."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays, Part, runs
from tidecast.models.covariates import Covariates
from tidecast.models.online.adapted import AdaptedWeek
from tidecast.models.online.features import FEATURES, FeatureTable
from tidecast.models.online.regression import UNIT, LinearModels
from tidecast.models.online.standard import CLIP
from tidecast.models.parts import (
    Parts,
    added,
    grouped,
    of_features,
    scaled,
    usual_parts,
    within,
)
from tidecast.models.profile import RECENT, ForecastProfile
from tidecast.models.spread import Spread
from tidecast.state.scopes import nested, scoped
from tidecast.state.slabs import Slab
from tidecast.state.window import Window

__all__ = ["START", "LinearExpert"]

START = np.array([float(name == "recently") for name in (*FEATURES, "intercept")]) / UNIT
"""Weights of a model that has learnt nothing: it says the usual week as adapted of late."""


class LinearExpert:
    """River linear models of what departs from the usual week, learnt over all cells at once.

    They begin as the usual week adapted to the level of late: a feature says what that adds.

    There is one model per series and lead, and each forecasts its lead directly. When bin t
    closes, the model of lead h learns the pair (features at origin t - h, departure at t). Values
    are in units of each cell's running scale, so that no cell outweighs the others, and gradients
    are clipped: a burst moves a weight by no more than one learning rate. A model whose weights
    have diverged starts again.
    """

    name = "linear"

    def __init__(self, profile: ForecastProfile) -> None:
        self.resets = 0
        self._horizon = profile.horizon
        self._season = profile.short_season
        self._models = LinearModels(profile.n_series, self._horizon, START)
        lags = self._horizon + max(RECENT, self._season + self._horizon)
        self._departures = Window(lags, profile.n_series)
        self._week = AdaptedWeek.of_longest_season(profile)
        self._lasting = Window(self._horizon + 1, profile.n_series)
        self._spread = Spread(profile.n_series)

    def learn(self, window: Window, slab: Slab, covariates: Covariates) -> None:
        """Take one mini-batch step of every series' and lead's model."""
        departure = slab.values - covariates.usual_now
        self._departures.append(slab.bin, departure)
        self._week.learn(slab.values, covariates)
        self._lasting.append(slab.bin, self._week.lasting)
        target = np.clip(departure / covariates.scale, -CLIP, CLIP).T  # (series, cell)
        table = self._table(covariates, origins=range(1, self._horizon + 1))
        for leads in runs(self._horizon, len(departure)):
            features = table.matrix(leads, covariates.usual_now[None])
            if leads.start == 0:
                errors = target - self._predict(features[:, :1], slice(1))[0]
                self._spread.learn(errors.T * covariates.scale)
            self.resets += self._models.learn(features, target, leads)

    def forecast(
        self, window: Window, covariates: Covariates
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return mean and scale, each (series, cell, lead); scale > 0."""
        table = self._table(covariates, origins=range(1))
        usual, scale = covariates.usual_ahead, covariates.scale.T
        mean = np.empty((*scale.shape, self._horizon), np.float32)
        for leads in runs(self._horizon, len(covariates.level)):
            departure = self._predict(table.matrix(leads, usual[leads]), leads)
            said = usual[leads].transpose(0, 2, 1) + scale * departure  # (lead, series, cell)
            mean[:, :, leads] = said.transpose(1, 2, 0)
        return mean, self._spread.over_leads(covariates.scale, self._horizon)

    def _table(self, covariates: Covariates, origins: range) -> FeatureTable:
        leads = range(1, self._horizon + 1)
        pairs = origins, leads
        return FeatureTable(self._departures, covariates, self._season, *pairs, self._lasting)

    def _predict(self, features: NDArray[np.float64], leads: slice) -> NDArray[np.float64]:
        """Return what the models of ``leads`` say, clipped: (lead, series, cell)."""
        return np.clip(self._models.predict(features, leads), -CLIP, CLIP)

    def explain(self, window: Window, covariates: Covariates, cell: int) -> Parts:
        """See `Expert.explain`: the usual week, and the terms of the departure from it."""
        usual = usual_parts(covariates, cell)
        if cell >= self._departures.n_cells:  # nothing was learnt yet
            return usual
        departure = within(self._departure_of(covariates, cell), -CLIP, CLIP)
        return added(usual, scaled(departure, covariates.scale[cell][:, None]))

    def _departure_of(self, covariates: Covariates, cell: int) -> Parts:
        """Return the parts of a cell's departure, in scales, before it is clipped."""
        table, ahead = self._table(covariates, origins=range(1)), covariates.usual_ahead
        leads = runs(self._horizon, len(covariates.level))
        met = np.concatenate([table.matrix(n, ahead[n])[..., cell] for n in leads], axis=1)
        rows = np.concatenate([met, np.ones((1, *met.shape[1:]))])  # (term, lead, series)
        terms = UNIT * rows * self._models.weights.transpose(2, 1, 0)
        return grouped(terms.swapaxes(1, 2), of_features((*FEATURES, "intercept")))

    def snapshot(self) -> Arrays:
        """Return the state as arrays: weights (series, lead, feature), the intercept last."""
        return {
            "weights": self._models.weights.copy(),
            "resets": np.array(self.resets, np.int64),
            **nested({name: part.snapshot() for name, part in self._parts().items()}),
            **self._spread.snapshot(),
        }

    def restore(self, arrays: Arrays) -> None:
        """Become the expert that ``snapshot`` was taken of."""
        self._models.weights = arrays["weights"].copy()
        self.resets = int(arrays["resets"])
        for name, part in self._parts().items():
            part.restore(scoped(arrays, name))
        self._spread.restore(arrays)

    def _parts(self) -> dict[str, Part]:
        return {"departures": self._departures, "week": self._week, "lasting": self._lasting}
