"""What methods for intermittent demand share: means of every cell, and how they are kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays, Part, Stateful, grown
from tidecast.models.profile import ForecastProfile
from tidecast.models.spread import Spread

__all__ = ["Intermittent"]


class Intermittent(Stateful):
    """Named quantities of every cell and series, 0 at first, and the spread of what they say.

    Parameters
    ----------
    quantities
        Names of what is known of each cell, (cell, series) each.
    """

    def __init__(self, profile: ForecastProfile, quantities: tuple[str, ...]) -> None:
        self.resets = 0
        self._horizon = profile.horizon
        empty = np.zeros((0, profile.n_series))
        self._state: dict[str, NDArray[np.float64]] = dict.fromkeys(quantities, empty)
        self._spread = Spread(profile.n_series)

    def _grow(self, n_cells: int) -> None:
        self._state = {name: grown(array, n_cells) for name, array in self._state.items()}

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        return {**self._state, **super().snapshot()}

    def restore(self, arrays: Arrays) -> None:
        """Become the expert that ``snapshot`` was taken of."""
        self._state = {name: arrays[name].copy() for name in self._state}
        super().restore(arrays)

    def _members(self) -> dict[str, Part]:
        return {"spread": self._spread}
