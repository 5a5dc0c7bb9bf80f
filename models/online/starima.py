"""STARIMA: lags and errors of cells and their neighbours, weighed alike in all cells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Stateful
from tidecast.models.online.autoregression import Autoregression, Coefficients
from tidecast.models.online.space_time import Cells, Near, Terms

__all__ = ["PooledCoefficients", "StarimaExpert"]

KEPT_PER_BIN = 0.998
RIDGE = 20.0
"""Rows of standardised noise, per term, that shrink coefficients towards zero."""


class StarimaExpert(Autoregression):
    """A space-time ARIMA model per series, shared by all cells.

    Spatial lags are means over the nearest cells of the same category and over theirs in turn; the
    differences of the I are those from the usual week. Cells without neighbours have the terms of
    their own past.

    References
    ----------
    Pfeifer and Deutsch (1980), A three-stage iterative procedure for space-time modeling; Hannan
    and Rissanen (1982), for errors estimated beside the coefficients.
    """

    name = "starima"

    def _make_coefficients(self, n_series: int, n_terms: int) -> Coefficients:
        return PooledCoefficients(n_series, n_terms)


class PooledCoefficients(Stateful):
    """Discounted least squares over all cells, one model per series."""

    STATE = ("squares", "products", "rows", "solved")

    def __init__(self, n_series: int, n_terms: int) -> None:
        self._squares = np.zeros((n_series, n_terms, n_terms))
        self._products = np.zeros((n_series, n_terms))
        self._rows = np.zeros(n_series)
        self._solved = np.zeros((n_series, n_terms))

    @property
    def values(self) -> NDArray[np.float64]:
        """The coefficients, (series, term)."""
        return self._solved

    @property
    def power(self) -> NDArray[np.float64]:
        """The mean squares of terms, (series, term), > 0."""
        total = np.diagonal(self._squares, axis1=-2, axis2=-1)
        power: NDArray[np.float64] = np.fmax(total / np.fmax(self._rows, 1.0)[:, None], 1e-6)
        return power

    def expect(self, terms: Terms) -> Cells:
        """Return the departures, (cell, series), that terms lead to."""
        return np.asarray(np.einsum("st,tcs->cs", self._solved, terms))

    def of_cell(self, cell: int) -> NDArray[np.float64]:
        """Return the coefficients of a cell, (series, term): all cells share them."""
        return self._solved

    def learn(self, terms: Terms, came: Cells, near: Near) -> int:
        """Learn that these ``terms`` led to what ``came``, NaN = unknown; nothing can diverge."""
        known = np.isfinite(came)
        rows = (terms * known).transpose(2, 1, 0)  # (series, cell, term)
        target = np.nan_to_num(came).T[..., None]  # (series, cell, 1)
        turned = rows.transpose(0, 2, 1)
        self._squares = KEPT_PER_BIN * self._squares + turned @ rows
        self._products = KEPT_PER_BIN * self._products + (turned @ target)[..., 0]
        self._rows = KEPT_PER_BIN * self._rows + known.sum(axis=0)
        self._solved = self._solve()
        return 0

    def _solve(self) -> NDArray[np.float64]:
        n_terms = self._products.shape[-1]
        ridge = RIDGE * n_terms * self.power
        system = self._squares + ridge[:, :, None] * np.eye(n_terms)
        solved = np.linalg.solve(system, self._products[..., None])[..., 0]
        return solved.astype(np.float64)

    def grow(self, n_cells: int) -> None:
        """Take in new cells: there is nothing of each."""
