"""Time-of-week mean: what is usual at this local hour of the week, at the level of late."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays
from tidecast.models.covariates import Covariates
from tidecast.models.online.adapted import AdaptedWeek
from tidecast.models.parts import Parts
from tidecast.models.profile import ForecastProfile
from tidecast.models.spread import Spread
from tidecast.state.scopes import nested, scoped
from tidecast.state.slabs import Slab
from tidecast.state.window import Window

__all__ = ["TimeOfWeek"]


class TimeOfWeek:
    """The usual week of `tidecast.models.usual`, adapted to how the longest season went."""

    name = "time_of_week"

    def __init__(self, profile: ForecastProfile) -> None:
        self.resets = 0
        self._horizon = profile.horizon
        self._week = AdaptedWeek.of_longest_season(profile)
        self._spread = Spread(profile.n_series)

    def learn(self, window: Window, slab: Slab, covariates: Covariates) -> None:
        """Follow the level; measure how far off the week was."""
        expected, _ = self._week.learn(slab.values, covariates)
        self._spread.learn(slab.values - expected)

    def forecast(
        self, window: Window, covariates: Covariates
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return mean and scale, each (series, cell, lead); scale > 0."""
        usual = covariates.usual_ahead.transpose(2, 1, 0)  # (series, cell, lead)
        mean = usual * self._week.lasting_ratio(len(covariates.level)).T[:, :, None]
        return mean, self._spread.over_leads(covariates.scale, self._horizon)

    def explain(self, window: Window, covariates: Covariates, cell: int) -> Parts:
        """See `Expert.explain`."""
        return self._week.lasting_parts(covariates, cell)

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        return {**self._spread.snapshot(), **nested({"week": self._week.snapshot()})}

    def restore(self, arrays: Arrays) -> None:
        """Become the expert that ``snapshot`` was taken of."""
        self._spread.restore(arrays)
        self._week.restore(scoped(arrays, "week"))
