"""How fast to learn, from which windows, and when: pure functions of the number of the step."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tidecast.state.settings.base import Frozen

__all__ = ["Shuffled", "TrainingPlan", "learning_rate", "part_seed"]

LEAST_RATE = 0.01
"""Of the highest rate, at the last step."""


class TrainingPlan(Frozen):
    """How a network is trained; ``steps`` are batches, at most.

    A batch is divided into ``parts``, which processes share. Every ``evaluate_every`` steps the
    network is judged by the validation windows; after ``patience`` times without a better figure
    it ends. ``average`` is the decay of the running mean of the weights.
    """

    steps: int = Field(default=3000, ge=1)
    batch_size: int = Field(default=32, ge=1)
    parts: int = Field(default=1, ge=1)
    learning_rate: float = Field(default=2e-3, gt=0)
    warm_up: int = Field(default=100, ge=0)
    weight_decay: float = Field(default=1e-4, ge=0)
    largest_gradient: float = Field(default=5.0, gt=0)
    average: float = Field(default=0.998, ge=0, lt=1)
    evaluate_every: int = Field(default=250, ge=1)
    patience: int = Field(default=6, ge=1)
    seed: int = Field(default=1, ge=0)


def learning_rate(step: int, plan: TrainingPlan) -> float:
    """Return the rate of a step: it rises for ``warm_up`` steps, then falls as a cosine.

    Examples
    --------
    >>> plan = TrainingPlan(steps=300, warm_up=100, learning_rate=1.0)
    >>> [round(learning_rate(step, plan), 3) for step in (0, 99, 200, 300)]
    [0.01, 1.0, 0.505, 0.01]
    """
    if step < plan.warm_up:
        return plan.learning_rate * (step + 1) / plan.warm_up
    share = min(1.0, (step - plan.warm_up) / max(1, plan.steps - plan.warm_up))
    falling = 0.5 * (1.0 + math.cos(math.pi * share))
    return plan.learning_rate * (LEAST_RATE + (1.0 - LEAST_RATE) * falling)


def part_seed(step: int, part: int, seed: int) -> int:
    """Return the seed of all that is drawn for a part of the batch of a step."""
    return int(np.random.SeedSequence((seed, step, part)).generate_state(1, np.uint64)[0] >> 1)


class Shuffled:
    """Origins in batches, each once in an epoch, in an order that the seed and the epoch decide."""

    def __init__(self, origins: NDArray[np.int64], batch_size: int, seed: int) -> None:
        self._origins = origins
        self._size = min(batch_size, len(origins))
        self._per_epoch = len(origins) // self._size
        self._seed = seed
        self._epoch = -1
        self._order = origins

    def batch(self, step: int) -> NDArray[np.int64]:
        """Return the origins of a step."""
        epoch, place = divmod(step, self._per_epoch)
        if epoch != self._epoch:
            order = np.random.default_rng((self._seed, epoch)).permutation(len(self._origins))
            self._order, self._epoch = self._origins[order], epoch
        return self._order[place * self._size : (place + 1) * self._size]
