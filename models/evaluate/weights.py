"""Weights of the blend as they went over time, by local day."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays
from tidecast.models.forecast import Forecast
from tidecast.models.profile import ForecastProfile

__all__ = ["DailyWeights"]


class DailyWeights:
    """Mean weights of the experts over the origins of each day; who slept had none."""

    def __init__(self, profile: ForecastProfile) -> None:
        self._grid = profile.grid
        self._experts = profile.experts
        self._shape = (len(profile.experts), profile.n_series, profile.horizon)
        self._days: dict[int, NDArray[np.float64]] = {}
        self._origins: dict[int, int] = {}

    def add(self, forecast: Forecast) -> None:
        """Add the weights of one origin."""
        day = self._grid.local(forecast.origin_bin).toordinal()
        total = self._days.setdefault(day, np.zeros(self._shape))
        self._origins[day] = self._origins.get(day, 0) + 1
        for place, expert in enumerate(self._experts):
            if expert in forecast.weights:
                total[place] += forecast.weights[expert]

    def days(self) -> dict[int, NDArray[np.float64]]:
        """Return mean weights by ordinal of the local day: (expert, series, lead) each."""
        return {day: total / self._origins[day] for day, total in sorted(self._days.items())}

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        return {
            "numbers": np.array(list(self._days), np.int64),
            "origins": np.array(list(self._origins.values()), np.int64),
            "sums": np.array(list(self._days.values())),
        }

    def restore(self, arrays: Arrays) -> None:
        """Become the weights that ``snapshot`` was taken of."""
        numbers = arrays["numbers"].tolist()
        self._origins = dict(zip(numbers, arrays["origins"].tolist(), strict=True))
        self._days = dict(zip(numbers, arrays["sums"].copy(), strict=True))
