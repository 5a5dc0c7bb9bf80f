"""The deep expert: it says what a deep model, which runs elsewhere, has said in time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays
from tidecast.models.covariates import Covariates
from tidecast.models.effects import TELLING
from tidecast.models.parts import Parts, added, usual_parts
from tidecast.models.profile import ForecastProfile
from tidecast.state.deep_forecast import DeepForecast
from tidecast.state.slabs import Slab
from tidecast.state.window import Window

__all__ = ["DeepExpert"]

Values = NDArray[np.float32]
NEVER = -1


class DeepExpert:
    """Speaks at the origins of which it has heard a forecast, and sleeps at all others.

    What it hears is made of the values as they came. What is known ahead is taken out of it, for
    the forecaster puts it into what experts say.
    """

    name = "deep"

    def __init__(self, profile: ForecastProfile) -> None:
        self.resets = 0
        self._horizon = profile.horizon
        nothing = np.full((profile.n_series, 0, profile.horizon), np.nan, np.float32)
        self._said = DeepForecast(NEVER, "", nothing, nothing)

    def hear(self, said: DeepForecast) -> None:
        """Take in what was said; it counts where its origin is the next one to forecast from."""
        self._said = said

    def learn(self, window: Window, slab: Slab, covariates: Covariates) -> None:
        """Learn nothing: the model elsewhere does."""

    def forecast(self, window: Window, covariates: Covariates) -> tuple[Values, Values]:
        """Return mean and scale, each (series, cell, lead); scale > 0, mean NaN while asleep."""
        usual = covariates.scale.T[:, :, None].astype(np.float32)  # (series, cell, 1)
        shape = (*usual.shape[:2], self._horizon)
        if not self._is_of(covariates, shape):
            return np.full(shape, np.nan, np.float32), np.broadcast_to(usual, shape)
        factor = np.fmax(covariates.factor_ahead, np.float32(TELLING)).transpose(2, 1, 0)
        mean = np.asarray(self._said.mean / factor, np.float32)
        scale = np.where(np.isfinite(mean), self._said.scale / factor, usual)
        return mean, scale.astype(np.float32)

    def _is_of(self, covariates: Covariates, shape: tuple[int, ...]) -> bool:
        said = self._said
        is_whole = said.mean.shape == said.scale.shape == shape
        return said.origin_bin == covariates.bin and is_whole and said.is_sound

    def explain(self, window: Window, covariates: Covariates, cell: int) -> Parts:
        """See `Expert.explain`: the usual week; what the network says beside it is the rest."""
        usual = usual_parts(covariates, cell)
        mean, _ = self.forecast(window, covariates)
        rest = mean[:, cell].astype(np.float64) - sum(usual.values())
        return added(usual, {"rest": rest})

    def snapshot(self) -> Arrays:
        """Return the state as arrays: what was heard last, so that it can be explained."""
        said = self._said
        origin = np.array(said.origin_bin, np.int64)
        return {"origin": origin, "means": said.mean, "scales": said.scale}

    def restore(self, arrays: Arrays) -> None:
        """Become the expert that ``snapshot`` was taken of."""
        means, scales = arrays["means"].copy(), arrays["scales"].copy()
        self._said = DeepForecast(int(arrays["origin"]), "", means, scales)
