"""River's linear regression, of many models at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from river.optim import SGD
from river.optim.losses import Squared

__all__ = ["UNIT", "LinearModels"]

Features = NDArray[np.float64]  # (feature, lead, series, cell)
Cells = NDArray[np.float64]  # (lead, series, cell)

LEARNING_RATE = 0.01
UNIT = 16.0
"""What targets are divided by. River clips gradients at 1, and an error e has the gradient 2 e: an
error of 8 scales is clipped as a burst, no smaller one. Clipped at ordinary errors the model would
learn medians, which lie far below the means of sparse counts."""

INSANE_WEIGHT = 100.0
"""Features are of order one: a weight beyond this has diverged."""

LARGEST_GRADIENT = 2.0
"""Of a mini-batch, in scales: independent errors of cells rarely add up to more. A burst common to
all cells does, and again while it is a feature: it may not undo what was learnt in weeks."""


class LinearModels:
    """River's LinearRegression, one model per series and lead, gradients clipped twice.

    Its loss and its optimiser are plain arithmetic, and what they are given here are arrays with
    an entry for each model: the same numbers as ``learn_many`` of one River object each, a hundred
    times faster where cells are few. River clips the gradient of a row, we that of the mini-batch.

    Parameters
    ----------
    prior
        What a model says of each feature, the intercept last, before it has learnt.

    Attributes
    ----------
    weights
        Of every model, (series, lead, 1 + feature), the intercept last.
    """

    def __init__(self, n_series: int, horizon: int, prior: NDArray[np.float64]) -> None:
        self._prior = prior / UNIT
        self.weights = np.tile(self._prior, (n_series, horizon, 1))
        self._loss = Squared()
        self._optimizer = SGD(LEARNING_RATE)

    def predict(self, features: Features, leads: slice) -> Cells:
        """Return what the models of some leads say, (lead, series, cell)."""
        weights = self.weights[:, leads, None].swapaxes(0, 1)  # (lead, series, 1, 1 + feature)
        rows = features.transpose(1, 2, 0, 3)  # (lead, series, feature, cell)
        return np.asarray(UNIT * ((weights[..., :-1] @ rows)[:, :, 0] + weights[..., -1]))

    def learn(self, features: Features, target: NDArray[np.float64], leads: slice) -> int:
        """Take one step of the models of some leads; return how many have diverged.

        Those start again. ``target`` is (series, cell), NaN = unknown.
        """
        errors = self._loss.gradient(target / UNIT, self.predict(features, leads) / UNIT)
        errors = np.where(np.isfinite(target), np.clip(errors, -1.0, 1.0), 0.0)
        rows = features.transpose(1, 2, 0, 3)
        sums = (rows @ errors[..., None])[..., 0], errors.sum(axis=-1, keepdims=True)
        n_rows = np.fmax(np.isfinite(target).sum(axis=-1), 1)[:, None]
        gradient = np.concatenate(sums, axis=-1) / n_rows  # (lead, series, 1 + feature)
        length = UNIT * np.sqrt((gradient**2).sum(axis=-1, keepdims=True))
        gradient *= np.minimum(1.0, LARGEST_GRADIENT / np.fmax(length, 1e-12))
        weights = self.weights[:, leads]  # a view
        self._optimizer.step(weights, gradient.swapaxes(0, 1))
        insane = ~(np.abs(weights).max(axis=-1) < INSANE_WEIGHT)
        weights[insane] = self._prior
        return int(insane.sum())
