"""Croston's method, corrected: the size of a demand, over the bins from one to the next."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import grown
from tidecast.models.covariates import Covariates
from tidecast.models.online.intermittent import Intermittent
from tidecast.models.parts import Parts
from tidecast.models.profile import ForecastProfile
from tidecast.state.slabs import Slab
from tidecast.state.window import Window

__all__ = ["Croston"]

RATE = 0.1
"""Weight of the newest demand."""

CORRECTION = 1.0 - RATE / 2.0
"""What Syntetos and Boylan found a quotient of two such means to be too large by."""


class Croston(Intermittent):
    """Croston's method with the correction of Syntetos and Boylan (SBA), for all cells at once.

    Size and interval move with each demand only. The forecast is size over interval, corrected,
    the same for all leads; 0 before the first demand. A bin without a value is not counted.

    References
    ----------
    Croston (1972), Forecasting and stock control for intermittent demands; Syntetos and Boylan
    (2005), The accuracy of intermittent demand estimates.
    """

    name = "croston"

    def __init__(self, profile: ForecastProfile) -> None:
        super().__init__(profile, ("size", "interval", "waited"))

    def learn(self, window: Window, slab: Slab, covariates: Covariates) -> None:
        """Move size and interval of the cells that had demand; let the others wait."""
        self._grow(len(slab.values))
        state, values = self._state, np.nan_to_num(slab.values)
        self._spread.learn(slab.values - self._mean)
        sold = values > 0.0
        waited = state["waited"] + np.isfinite(slab.values)
        rate = np.where(state["interval"] > 0.0, RATE, 1.0)  # the first demand counts whole
        state["size"] = state["size"] + np.where(sold, rate * (values - state["size"]), 0.0)
        step = rate * (waited - state["interval"])
        state["interval"] = state["interval"] + np.where(sold, step, 0.0)
        state["waited"] = np.where(sold, 0.0, waited)

    def forecast(
        self, window: Window, covariates: Covariates
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return mean and scale, each (series, cell, lead); scale > 0."""
        self._grow(len(covariates.level))
        mean = self._mean.T[:, :, None].astype(np.float32)
        over_leads = np.broadcast_to(mean, (*mean.shape[:2], self._horizon))
        return over_leads, self._spread.over_leads(covariates.scale, self._horizon)

    @property
    def _mean(self) -> NDArray[np.float64]:
        interval = np.fmax(self._state["interval"], 1.0)
        mean: NDArray[np.float64] = CORRECTION * self._state["size"] / interval
        return mean  # (cell, series)

    def explain(self, window: Window, covariates: Covariates, cell: int) -> Parts:
        """See `Expert.explain`: a level only."""
        level = grown(self._mean, len(covariates.level))[cell]
        return {"level": np.repeat(level[:, None], self._horizon, axis=1)}
