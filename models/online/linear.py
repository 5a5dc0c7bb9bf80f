"""One River linear model shared by all cells, per series and lead."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays, nested, scoped
from tidecast.models.covariates import Covariates
from tidecast.models.online.features import CLIP, FEATURES, FeatureTable
from tidecast.models.online.regression import UNIT, ArrayRegression
from tidecast.models.parts import (
    Parts,
    added,
    grouped,
    of_features,
    over_leads,
    scaled,
    usual_parts,
    within,
)
from tidecast.models.profile import RECENT, ForecastProfile
from tidecast.models.spread import Spread
from tidecast.state.slabs import Slab
from tidecast.state.window import Window

__all__ = ["LinearExpert"]

LONGEST_SEASON = 336
"""Bins; of a longer season no departures are kept."""

INSANE_WEIGHT = 100.0
"""Features are of order one: a weight beyond this has diverged."""


class LinearExpert:
    """River linear models of what departs from the usual week, learnt over all cells at once.

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
        shortest = profile.season_lengths[0] if profile.season_lengths else 0
        self._season = shortest if shortest <= LONGEST_SEASON else 0
        self._models = [[ArrayRegression() for _ in range(self._horizon)] for _ in profile.series]
        lags = self._horizon + max(RECENT, self._season + self._horizon)
        self._departures = Window(lags, profile.n_series)
        self._spread = Spread(profile.n_series)

    def learn(self, window: Window, slab: Slab, covariates: Covariates) -> None:
        """Take one mini-batch step of every series' and lead's model."""
        departure = slab.values - covariates.usual_now
        self._departures.append(slab.bin, departure)
        table = FeatureTable(self._departures, covariates, self._season)
        target = np.clip(departure / covariates.scale, -CLIP, CLIP).T  # (series, cell)
        for lead in range(1, self._horizon + 1):
            features = table.matrix(lead, lead, covariates.usual_now)
            if lead == 1:
                errors = target - self._predict(features, lead)
                self._spread.learn(errors.T * covariates.scale)
            self._learn_lead(features, target, lead)

    def forecast(
        self, window: Window, covariates: Covariates
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return mean and scale, each (series, cell, lead); scale > 0."""
        table = FeatureTable(self._departures, covariates, self._season)
        mean = np.empty((*covariates.level.T.shape, self._horizon), np.float32)
        for lead, usual in enumerate(covariates.usual_ahead, 1):
            departure = self._predict(table.matrix(0, lead, usual), lead)  # (series, cell)
            mean[:, :, lead - 1] = usual.T + covariates.scale.T * departure
        return mean, self._spread.over_leads(covariates.scale, self._horizon)

    def _predict(self, features: NDArray[np.float64], lead: int) -> NDArray[np.float64]:
        """Return what the models of ``lead`` say, clipped: (series, cell)."""
        said = np.empty(features.shape[1:])
        for series, models in enumerate(self._models):
            said[series] = models[lead - 1].predict_array(features[:, series].T)
        return np.clip(said, -CLIP, CLIP)

    def _learn_lead(
        self, features: NDArray[np.float64], target: NDArray[np.float64], lead: int
    ) -> None:
        for series, models in enumerate(self._models):
            known = np.isfinite(target[series])
            if not known.any():
                continue
            x, y = features[:, series], target[series]
            if not known.all():
                x, y = x[:, known], y[known]
            models[lead - 1].learn_array(x.T, y)
            if not np.max(np.abs(models[lead - 1].state)) < INSANE_WEIGHT:
                models[lead - 1] = ArrayRegression()
                self.resets += 1

    def explain(self, window: Window, covariates: Covariates, cell: int) -> Parts:
        """See `Expert.explain`: the usual week, and the terms of the departure from it."""
        usual = usual_parts(covariates, cell)
        if cell >= self._departures.n_cells:  # nothing was learnt yet
            return usual
        table = FeatureTable(self._departures, covariates, self._season)
        leads = [
            self._explain_lead(table.matrix(0, lead, ahead)[:, :, cell], lead)
            for lead, ahead in enumerate(covariates.usual_ahead, 1)
        ]
        departure = within(over_leads(leads), -CLIP, CLIP)
        return added(usual, scaled(departure, covariates.scale[cell][:, None]))

    def _explain_lead(self, features: NDArray[np.float64], lead: int) -> Parts:
        """Return the parts of a departure, (series,) each, of features (feature, series)."""
        weights = np.stack([models[lead - 1].state for models in self._models], axis=-1)
        terms = UNIT * weights * np.vstack([features, np.ones(features.shape[1:])])
        return grouped(terms, of_features((*FEATURES, "intercept")))

    def snapshot(self) -> Arrays:
        """Return the state as arrays: weights (series, lead, feature), the intercept last."""
        weights = np.array([[model.state for model in models] for models in self._models])
        steps = [[model.steps for model in models] for models in self._models]
        return {
            "weights": weights,
            "steps": np.array(steps, np.int64),
            **nested({"departures": self._departures.snapshot()}),
            "resets": np.array(self.resets, np.int64),
            **self._spread.snapshot(),
        }

    def restore(self, arrays: Arrays) -> None:
        """Become the expert that ``snapshot`` was taken of."""
        self._models = [
            [ArrayRegression(w, int(n)) for w, n in zip(weights, steps, strict=True)]
            for weights, steps in zip(arrays["weights"], arrays["steps"], strict=True)
        ]
        self._departures.restore(scoped(arrays, "departures"))
        self.resets = int(arrays["resets"])
        self._spread.restore(arrays)
