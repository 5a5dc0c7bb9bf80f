"""One River linear model shared by all cells, per series and lead."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays
from tidecast.models.covariates import Covariates
from tidecast.models.online.features import CLIP, FeatureTable
from tidecast.models.online.regression import ArrayRegression
from tidecast.models.profile import ForecastProfile
from tidecast.models.spread import Spread
from tidecast.state.slabs import Slab
from tidecast.state.window import Window

__all__ = ["LinearExpert"]

INSANE_WEIGHT = 100.0
"""Features are of order one: a weight beyond this has diverged."""


class LinearExpert:
    """River linear models of what departs from the season, learnt over all cells in mini-batches.

    There is one model per series and lead, and each forecasts its lead directly. When bin t
    closes, the model of lead h learns the pair (features at origin t - h, value at t), the
    features read from the window again. Values are in units of each cell's running scale, so that
    no cell outweighs the others, and gradients are clipped: a burst moves a weight by no more than
    one learning rate. A model whose weights have diverged starts again.
    """

    name = "linear"

    def __init__(self, profile: ForecastProfile) -> None:
        self.resets = 0
        self._profile = profile
        self._horizon = profile.horizon
        self._models = [[ArrayRegression() for _ in range(self._horizon)] for _ in profile.series]
        self._spread = Spread(profile.n_series)

    def learn(self, window: Window, slab: Slab, covariates: Covariates) -> None:
        """Take one mini-batch step of every series' and lead's model."""
        table = FeatureTable(window, covariates, self._profile.season_lengths)
        actual = np.clip((slab.values - covariates.level) / covariates.scale, -CLIP, CLIP).T
        for lead in range(1, self._horizon + 1):
            features = table.matrix(lead, lead)
            target = actual - table.base(lead, lead)  # (series, cell)
            if lead == 1:
                errors = target - self._predict(features, lead)
                self._spread.learn(errors.T * covariates.scale)
            self._learn_lead(features, target, lead)

    def forecast(
        self, window: Window, covariates: Covariates
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return mean and scale, each (series, cell, lead); scale > 0."""
        table = FeatureTable(window, covariates, self._profile.season_lengths)
        mean = np.empty((*covariates.level.T.shape, self._horizon), np.float32)
        for lead in range(1, self._horizon + 1):
            departure = self._predict(table.matrix(0, lead), lead)
            standard = np.clip(table.base(0, lead) + departure, -CLIP, CLIP)
            mean[:, :, lead - 1] = covariates.level.T + covariates.scale.T * standard
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

    def snapshot(self) -> Arrays:
        """Return the state as arrays: weights (series, lead, feature), the intercept last."""
        weights = np.array([[model.state for model in models] for models in self._models])
        steps = [[model.steps for model in models] for models in self._models]
        return {
            "weights": weights,
            "steps": np.array(steps, np.int64),
            "resets": np.array(self.resets, np.int64),
            **self._spread.snapshot(),
        }

    def restore(self, arrays: Arrays) -> None:
        """Become the expert that ``snapshot`` was taken of."""
        self._models = [
            [ArrayRegression(w, int(n)) for w, n in zip(weights, steps, strict=True)]
            for weights, steps in zip(arrays["weights"], arrays["steps"], strict=True)
        ]
        self.resets = int(arrays["resets"])
        self._spread.restore(arrays)
