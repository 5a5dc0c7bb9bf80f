"""What past and static covariates tell of cells at an origin."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Part, Stateful, grown
from tidecast.models.deviations import Deviations
from tidecast.models.profile import ForecastProfile
from tidecast.state.cells import Cell
from tidecast.state.covariates import ALWAYS, FOREVER, CovariateTable

__all__ = ["Told"]

Values = NDArray[np.float64]  # (covariate, cell)

LARGEST_STATIC = 3.0
"""Standard deviations: what is further from the others is taken for this."""


class Told(Stateful):
    """Features of cells by covariates that are not known ahead, 0 = nothing is told.

    A **past** one tells by how far its newest known value, of two short seasons at most, is from
    its running mean in the cell, in units of the largest such deviation. A **static** one tells
    how the cell differs from others as long as its own values do not: its standard score among the
    keys of its table, which fades with the age of the cell in short seasons.
    """

    STATE = ("age",)

    def __init__(self, profile: ForecastProfile, known: CovariateTable) -> None:
        self._grid = profile.grid
        self._season = profile.shortest_season or 24
        self._past, self._static = known.of_kind("past"), known.of_kind("static")
        self._columns = self._past.columns(())
        self._columns_of: object = None  # covariates and how many cells
        self._scores = np.zeros((len(self._static.names), 0))
        self._deviations = Deviations(len(self._past.names), profile.grid.nominal_width)
        self._age = np.zeros(0)

    def at(self, bin_: int, cells: Sequence[Cell]) -> NDArray[np.float32]:
        """Return what is told at the end of a closed bin: (covariate, cell), past ones first."""
        if self._columns_of != (self._past.covariates, len(cells)):
            self._columns_of = self._past.covariates, len(cells)
            self._columns = self._past.columns(cells)
            self._scores = _scores(self._static, cells)
        self._age = grown(self._age, len(cells))
        late = range(bin_ - 2 * self._season, bin_ + 1)
        newest = self._past.newest(late, self._columns, self._grid.end(bin_))
        self._deviations.widen(newest)
        past = self._deviations.of(newest)
        self._deviations.learn(newest)
        static = self._scores / (1.0 + self._age / self._season)
        self._age += 1.0
        return np.concatenate([past, static]).astype(np.float32)

    def _members(self) -> dict[str, Part]:
        return {"past": self._deviations}


def _scores(static: CovariateTable, cells: Sequence[Cell]) -> Values:
    """Return by how many standard deviations of its table's keys each cell differs."""
    scores = np.zeros((len(static.names), len(cells)))
    for place, covariate in enumerate(static.covariates):
        values = covariate.newest(range(FOREVER, FOREVER + 1), ALWAYS)
        of_keys = values[:-1][np.isfinite(values[:-1])]
        spread = of_keys.std() if len(of_keys) else 0.0
        if spread > 0.0:
            column = static.columns(cells)[place]
            scores[place] = np.nan_to_num((values[column] - of_keys.mean()) / spread)
    return np.clip(scores, -LARGEST_STATIC, LARGEST_STATIC)
