"""River's linear regression, fed with arrays."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from numpy.typing import NDArray
from river.linear_model import LinearRegression
from river.optim import SGD
from river.utils import VectorDict

from tidecast.models.online.features import FEATURES

__all__ = ["ArrayRegression"]

LEARNING_RATE = 0.01
UNIT = 16.0
"""What targets are divided by. River clips gradients at 1, and an error e has the gradient 2 e: an
error of 8 scales is clipped as a burst, no smaller one. Clipped at ordinary errors the model would
learn medians, which lie far below the means of sparse counts."""

LARGEST_GRADIENT = 2.0
"""Of a mini-batch, in scales: independent errors of cells rarely add up to more. A burst common to
all cells does, and again while it is a feature: it may not undo what was learnt in weeks."""

_NAMES = list(FEATURES)


class ArrayRegression(LinearRegression):  # type: ignore[misc]
    """River's LinearRegression over the features of `FeatureTable`, gradients clipped twice.

    ``learn_array`` and ``predict_array`` are River's ``learn_many`` and ``predict_many`` without
    the data frames, which cost ten times the arithmetic where cells are few. River clips the
    gradient of a row, we that of the mini-batch.
    """

    def __init__(self, state: NDArray[np.float64] | None = None, steps: int = 0) -> None:
        super().__init__(
            optimizer=SGD(LEARNING_RATE), intercept_lr=LEARNING_RATE, clip_gradient=1.0
        )
        values = np.zeros(len(_NAMES) + 1) if state is None else state
        self._weights = VectorDict(dict(zip(_NAMES, values[:-1].tolist(), strict=True)))
        self.intercept = float(values[-1])
        self.optimizer.n_iterations = steps

    @property
    def state(self) -> NDArray[np.float64]:
        """Weights in the order of ``FEATURES``, then the intercept."""
        return np.array([*(self._weights[name] for name in _NAMES), self.intercept])

    @property
    def steps(self) -> int:
        """Mini-batches learnt."""
        return int(self.optimizer.n_iterations)

    def learn_array(self, features: NDArray[np.float64], target: NDArray[np.float64]) -> None:
        """Take one step on a mini-batch: features (row, feature), target (row,)."""
        saved = self._enter_learn_mode(set(_NAMES))
        try:
            self._fit(_NAMES, target / UNIT, 1, partial(self._gradient, features))
        finally:
            self._exit_learn_mode(saved)

    def _gradient(
        self, features: NDArray[np.float64], names: list[str], target: NDArray[np.float64], w: float
    ) -> tuple[dict[str, float], float]:
        """Return River's gradients of weights and intercept, shortened to the largest length."""
        weights, intercept = self._eval_gradient_many(features, names, target, w)
        length = UNIT * math.sqrt(sum(part**2 for part in weights.values()) + intercept**2)
        share = min(1.0, LARGEST_GRADIENT / max(length, 1e-12))
        return {name: share * part for name, part in weights.items()}, share * intercept

    def predict_array(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return predictions, (row,), of features (row, feature)."""
        return np.asarray(UNIT * self._raw_dot_many(features, _NAMES))
