"""A daily shop of two cells that are alike, and an expert that is told all of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tidecast.models.covariates import Covariates
from tidecast.models.experts import EXPERTS
from tidecast.models.profile import ForecastProfile
from tidecast.models.surroundings import Surroundings
from tidecast.state.bins import DAY, BinGrid
from tidecast.state.cells import Cell
from tidecast.state.slabs import Slab
from tidecast.state.window import Window

__all__ = ["FIRST_DAY", "WEEK", "DailyWorld", "noisy"]

CELLS = [Cell("north", "tools"), Cell("south", "tools")]
FIRST_DAY = 20_000
WEEK = np.array([60.0, 100.0, 100.0, 100.0, 120.0, 140.0, 80.0])


class DailyWorld:
    """An expert, by its name, and all that it is told of."""

    def __init__(self, name: str) -> None:
        profile = ForecastProfile(("demand",), BinGrid(DAY), 7, (0.1, 0.5, 0.9), (7,), (name,))
        self.expert = EXPERTS[name](profile)
        self.window = Window(profile.context_length, 1)
        self._surroundings = Surroundings(profile)
        self.bin = FIRST_DAY

    def run(self, days: Sequence[float] | NDArray[np.float64]) -> Covariates:
        """Let days pass, both cells alike; return what is known after the last."""
        for value in days:
            slab = Slab(self.bin, np.full((2, 1), value))
            admitted, covariates = self._surroundings.observe(slab, CELLS, {})
            self.window.append(self.bin, admitted.values)
            self.expert.learn(self.window, admitted, covariates)
            self.bin += 1
        return covariates

    def mean(self, covariates: Covariates) -> NDArray[np.float64]:
        """Return what is said of the week ahead, of one cell."""
        return self.expert.forecast(self.window, covariates)[0][0, 0].astype(np.float64)


def noisy(weeks: int, level: float = 1.0) -> NDArray[np.float64]:
    """Return so many weeks of days, a tenth of each noise."""
    noise = np.random.default_rng(weeks).normal(1.0, 0.1, 7 * weeks)
    return level * np.tile(WEEK, weeks) * noise
