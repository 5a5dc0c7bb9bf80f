"""Surroundings: what experts may know besides the window, kept up to date bin by bin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays, nested, scoped
from tidecast.models.covariates import Calendar, Covariates
from tidecast.models.guard import Guard
from tidecast.models.neighbours import cell_neighbours
from tidecast.models.outlook import Outlook
from tidecast.models.profile import ForecastProfile
from tidecast.models.usual import UsualWeek
from tidecast.state.cells import Cell
from tidecast.state.covariates import CovariateTable
from tidecast.state.slabs import Slab

__all__ = ["Surroundings"]


class Surroundings:
    """Running level, scale and usual week of every cell, and its neighbours."""

    def __init__(self, profile: ForecastProfile, known: CovariateTable | None = None) -> None:
        self._calendar = Calendar(profile.grid)
        self._horizon = profile.horizon
        self._guard = Guard(profile.n_series, memory=_memory(profile))
        self._usual = UsualWeek(self._calendar, profile.n_series)
        self._outlook = Outlook(profile, self._calendar, known)
        self._known_places = (-1, -1)  # cells and positions that the neighbours are of
        self._neighbours = cell_neighbours((), {})

    @property
    def level(self) -> NDArray[np.float64]:
        """Running mean of each cell, (cell, series)."""
        return self._guard.level

    @property
    def scale(self) -> NDArray[np.float64]:
        """Running spread of each cell, (cell, series), > 0."""
        return self._guard.scale

    @property
    def ceiling(self) -> NDArray[np.float64]:
        """The largest forecast that is sane, (cell, series)."""
        return np.fmax(self._guard.ceiling, 0.0)

    def observe(
        self, slab: Slab, cells: Sequence[Cell], positions: Mapping[str, tuple[float, float]]
    ) -> tuple[Slab, Covariates]:
        """Take in a closed bin; return it fit to learn from, and what is known after it.

        What was known ahead of the bin is taken out of it: see `Outlook`.
        """
        if self._known_places != (len(cells), len(positions)):
            self._known_places = (len(cells), len(positions))
            self._neighbours = cell_neighbours(cells, positions)
        self._outlook.learn(slab, cells, self._usual, self._guard.level, self.ceiling)
        admitted = self._guard.admit(self.without(slab.bin, slab.values))
        level = self._guard.level
        usual_now = self._usual.of(range(slab.bin, slab.bin + 1), level)[0]
        self._usual.learn(slab.bin, admitted)
        ahead = range(slab.bin + 1, slab.bin + 1 + self._horizon)
        covariates = Covariates(
            bin=slab.bin,
            calendar=self._calendar,
            neighbours=self._neighbours,
            level=level,
            scale=self._guard.scale,
            usual_now=usual_now,
            usual_ahead=self._usual.of(ahead, level),
            factor_ahead=self._outlook.ahead(slab.bin, self._usual, level),
        )
        return Slab(slab.bin, admitted), covariates

    def without(self, bin_: int, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values of a closed bin without what was known ahead to move it."""
        return self._outlook.without(bin_, values)

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        return nested({name: part.snapshot() for name, part in self._parts().items()})

    def restore(self, arrays: Arrays) -> None:
        """Become the surroundings that ``snapshot`` was taken of."""
        for name, part in self._parts().items():
            part.restore(scoped(arrays, name))

    def _parts(self) -> dict[str, Guard | UsualWeek | Outlook]:
        return {"guard": self._guard, "usual": self._usual, "outlook": self._outlook}


def _memory(profile: ForecastProfile) -> int:
    """Return the bins that level and scale remember: the longest season, within reason."""
    longest = profile.season_lengths[-1] if profile.season_lengths else 0
    return min(max(longest, 50), 2000)
