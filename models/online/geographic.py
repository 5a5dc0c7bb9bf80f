"""Geographically weighted regression: every cell's own coefficients, learnt around it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Part, Stateful, grown
from tidecast.models.neighbours import N_NEIGHBOURS
from tidecast.models.online.autoregression import Autoregression, Coefficients
from tidecast.models.online.space_time import Cells, Near, Terms
from tidecast.models.online.starima import PooledCoefficients

__all__ = ["GeographicExpert", "LocalCoefficients", "kernel"]

KEPT_PER_BIN = 0.998
PRIOR_BINS = 100.0
"""Bins of its own that weigh as much, in a cell, as what is known of all cells."""


class GeographicExpert(Autoregression):
    """The terms of STARIMA, weighed in each cell by what was learnt there and near it.

    Near are the nearest cells of the same category. A cell leans on the coefficients of all while
    its own surroundings have told little.

    References
    ----------
    Fotheringham, Brunsdon and Charlton (2002), Geographically weighted regression.
    """

    name = "geographic"

    def _make_coefficients(self, n_series: int, n_terms: int) -> Coefficients:
        return LocalCoefficients(n_series, n_terms)


def kernel(n_neighbours: int) -> NDArray[np.float64]:
    """Return what the rows of each neighbour count for, nearest first: bisquare, by rank."""
    rank = np.arange(1.0, n_neighbours + 1.0) / (n_neighbours + 1.0)
    return (1.0 - rank**2) ** 2


class LocalCoefficients(Stateful):
    """Discounted least squares in every cell, of its own rows and, by nearness, of those around.

    The bandwidth is adaptive: it ends at the cell after the last neighbour.
    """

    STATE = ("squares", "products", "solved")

    def __init__(self, n_series: int, n_terms: int) -> None:
        self._all = PooledCoefficients(n_series, n_terms)
        self._squares = np.zeros((0, n_series, n_terms, n_terms))
        self._products = np.zeros((0, n_series, n_terms))
        self._solved = np.zeros((0, n_series, n_terms))

    @property
    def values(self) -> NDArray[np.float64]:
        """The coefficients, (cell, series, term)."""
        return self._solved

    def expect(self, terms: Terms) -> Cells:
        """Return the departures, (cell, series), that terms lead to."""
        return np.asarray(np.einsum("cst,tcs->cs", self._solved, terms))

    def of_cell(self, cell: int) -> NDArray[np.float64]:
        """Return the coefficients of a cell, (series, term)."""
        return np.asarray(self._solved[cell])

    def learn(self, terms: Terms, came: Cells, near: Near) -> int:
        """Learn that these ``terms`` led to what ``came``, NaN = unknown; nothing can diverge."""
        self._all.learn(terms, came, near)
        rows = (terms * np.isfinite(came)).transpose(1, 2, 0)  # (cell, series, term)
        squares = rows[..., None] * rows[..., None, :]
        self._squares = KEPT_PER_BIN * self._squares + squares
        self._products = KEPT_PER_BIN * self._products + np.nan_to_num(came)[..., None] * rows
        self._solved = self._solve(near)
        return 0

    def _solve(self, near: Near) -> NDArray[np.float64]:
        ridge = PRIOR_BINS * self._all.power  # (series, term)
        squares = self._around(self._squares, near) + ridge[..., None] * np.eye(ridge.shape[-1])
        products = self._around(self._products, near) + ridge * self._all.values
        solved = np.linalg.solve(squares, products[..., None])[..., 0]
        return solved.astype(np.float64)

    def _around(self, sums: NDArray[np.float64], near: Near) -> NDArray[np.float64]:
        """Return each cell's sums and, by nearness, those of its neighbours."""
        total = sums.copy()
        for place, weight in zip(near.T, kernel(N_NEIGHBOURS), strict=True):
            has = place >= 0
            total[has] += weight * sums[place[has]]
        return total

    def grow(self, n_cells: int) -> None:
        """Take in new cells: they begin with the coefficients of all."""
        added = n_cells - len(self._solved)
        if added > 0:
            fresh = np.broadcast_to(self._all.values, (added, *self._all.values.shape))
            self._solved = np.concatenate([self._solved, fresh])
            self._squares = grown(self._squares, n_cells)
            self._products = grown(self._products, n_cells)

    def _members(self) -> dict[str, Part]:
        return {"all": self._all}
