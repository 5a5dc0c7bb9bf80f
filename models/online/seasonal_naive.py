"""Seasonal naive: what was one season ago."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays, grown
from tidecast.models.covariates import Covariates
from tidecast.models.parts import Parts
from tidecast.models.profile import ForecastProfile
from tidecast.models.spread import Spread
from tidecast.state.slabs import Slab
from tidecast.state.window import Window

__all__ = ["SeasonalNaive"]


class SeasonalNaive:
    """The value one longest season before the target, else one shorter season, else the usual.

    What the last value departed from the usual by is added to that, over the lead: less of it is
    left farther ahead.
    """

    name = "seasonal_naive"

    def __init__(self, profile: ForecastProfile) -> None:
        self.resets = 0
        self._horizon = profile.horizon
        self._seasons = profile.season_lengths[::-1]
        self._last = np.zeros((0, profile.n_series))  # departure of the last value from the usual
        self._spread = Spread(profile.n_series)

    def learn(self, window: Window, slab: Slab, covariates: Covariates) -> None:
        """Remember the last departure; measure the error of one bin ahead."""
        last = grown(self._last, len(slab.values))
        seasonal = self._seasonal(window, bins_ahead=0)
        departure = slab.values - covariates.usual_now
        missed = np.where(np.isfinite(seasonal), slab.values - seasonal, departure - last)
        self._spread.learn(missed)
        self._last = np.where(np.isfinite(departure), departure, last)

    def forecast(
        self, window: Window, covariates: Covariates
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return mean and scale, each (series, cell, lead); scale > 0."""
        last = grown(self._last, len(covariates.level)).astype(np.float32)
        mean = np.empty((*last.T.shape, self._horizon), np.float32)
        for lead, usual in enumerate(covariates.usual_ahead, 1):
            seasonal = self._seasonal(window, bins_ahead=lead)
            fallback = np.fmax(usual + last / np.float32(lead), np.float32(0.0))
            mean[:, :, lead - 1] = np.where(np.isfinite(seasonal), seasonal, fallback).T
        return mean, self._spread.over_leads(covariates.scale, self._horizon)

    def _seasonal(self, window: Window, bins_ahead: int) -> NDArray[np.float32]:
        """Return the value whole seasons before a bin, the longest known: (cell, series)."""
        value = np.full((window.n_cells, window.n_series), np.nan, np.float32)
        for season in self._seasons:
            back = season * max(1, -(-bins_ahead // season)) - bins_ahead
            value = np.where(np.isfinite(value), value, window.lag(back))
        return value

    def explain(self, window: Window, covariates: Covariates, cell: int) -> Parts:
        """See `Expert.explain`: the level, and how far from it the value a season ago was."""
        mean = self.forecast(window, covariates)[0][:, cell].astype(np.float64)
        level = np.broadcast_to(covariates.level[cell][:, None], mean.shape)
        return {"level": level, "season": mean - level}

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        return {"last": self._last, **self._spread.snapshot()}

    def restore(self, arrays: Arrays) -> None:
        """Become the expert that ``snapshot`` was taken of."""
        self._last = arrays["last"].copy()
        self._spread.restore(arrays)
