"""The blend: experts weighed by how well they did lately, per series and lead."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays

__all__ = ["Blend", "combine"]

Stack = NDArray[np.float32]  # (expert, series, cell, lead)

SHARPNESS = 5.0
"""An expert whose loss is a fifth above the best one's gets 1/e of its weight."""

KEPT_PER_BIN = 0.99
LARGEST_ERROR = 10.0
"""Errors beyond this many scales of their cell count as this: no burst decides the weights."""


class Blend:
    """Weights from discounted losses: softmax of minus the loss, relative to the best expert's.

    A loss is the squared error in units of the cell's scale, averaged over cells: it is least for
    the mean, where the absolute error would favour medians, which do not add up. The loss of
    lead h comes h bins after the forecast; weights of a lead move when its loss is known. Who
    slept is given the mean loss of those who spoke: that moves no weight.
    """

    def __init__(self, n_experts: int, n_series: int, horizon: int) -> None:
        self._loss = np.zeros((n_experts, n_series, horizon))
        self._weight = np.zeros((n_series, horizon))

    def learn(self, errors: NDArray[np.float32], scale: NDArray[np.float64], lead: int) -> None:
        """Add errors of one lead, (expert, series, cell), NaN = unknown; scale (series, cell)."""
        relative = np.minimum(np.abs(errors) / scale, LARGEST_ERROR) ** 2
        awake = np.isfinite(relative)
        speakers = awake.sum(axis=0)  # (series, cell)
        known = np.where(awake, relative, 0.0)
        asleep = known.sum(axis=0) / np.fmax(speakers, 1)
        n = (speakers > 0).sum(axis=-1)  # (series,)
        loss = np.where(awake, known, asleep).sum(axis=-1) / np.fmax(n, 1)
        kept = np.where(n > 0, KEPT_PER_BIN, 1.0)
        self._loss[:, :, lead - 1] = kept * self._loss[:, :, lead - 1] + loss
        self._weight[:, lead - 1] = kept * self._weight[:, lead - 1] + (n > 0)

    def weights(self) -> NDArray[np.float64]:
        """Return the weights, (expert, series, lead), that add up to 1 over experts."""
        loss = self._loss / np.fmax(self._weight, 1e-12)
        best = loss.min(axis=0)
        relative = (loss - best) / np.fmax(best, 1e-9)
        raw = np.exp(-np.minimum(SHARPNESS * relative, 20.0))
        weights: NDArray[np.float64] = raw / raw.sum(axis=0)
        return weights

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        return {"loss": self._loss.copy(), "weight": self._weight.copy()}

    def restore(self, arrays: Arrays) -> None:
        """Become the blend that ``snapshot`` was taken of."""
        self._loss, self._weight = arrays["loss"].copy(), arrays["weight"].copy()


def combine(values: Stack, weights: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the weighted mean of experts, (series, cell, lead); who is not finite sleeps.

    ``weights`` are (expert, series, lead). NaN is returned where all experts sleep.
    """
    spread = weights[:, :, None, :].astype(np.float32)
    awake = np.isfinite(values)
    if awake.all():
        mixed: NDArray[np.float32] = (values * spread).sum(axis=0)
        return mixed
    shares = np.where(awake, spread, np.float32(0.0))
    total = shares.sum(axis=0)
    mixed = (np.where(awake, values, np.float32(0.0)) * shares).sum(axis=0)
    return np.where(total > 0, mixed / np.where(total > 0, total, 1), np.float32(np.nan))
