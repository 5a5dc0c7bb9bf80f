"""Discounted sums of products of all columns, from which regressions on some of them are solved."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays
from tidecast.models.online.leading_columns import Columns, Places

__all__ = ["LaggedSquares"]

Table = NDArray[np.float64]
Rows = NDArray[np.float64]  # (series, column, row)

KEPT = 0.998
"""Share that is left an hour, or a day where bins are days, later."""

RIDGE = 10.0
"""Rows, with a column as large as the noise, that what is taken for usual counts for."""


class LaggedSquares:
    """Least squares of every series on any choice of `Columns`, all solved from the same sums.

    Columns may be chosen, and dropped, at any time: coefficients are those of all rows so far. They
    are shrunk towards what is usual: the ratio of the adapted week holds, nothing else matters.
    """

    def __init__(self, columns: Columns, bins_per_slot: int) -> None:
        self._columns = columns
        self._kept = KEPT ** (1.0 / bins_per_slot)
        self._squares = np.zeros((columns.n_series, columns.width, columns.width))
        self._usual = np.zeros(columns.width)
        self._usual[columns.ratio] = 1.0

    def learn(self, rows: Rows) -> None:
        """Add the rows of a bin."""
        kept = self.kept(rows)[:, None, None]
        self._squares = kept * self._squares + rows @ rows.transpose(0, 2, 1)

    def kept(self, rows: Rows) -> Table:
        """Return what is left of sums after a bin, (series,): 1 where it tells nothing."""
        return np.where(rows[:, -1].any(axis=1), self._kept, 1.0)

    def solve(self, places: Places) -> Table:
        """Return the coefficients of the columns at ``places``, (series, lead, column)."""
        series = np.arange(len(places))[:, None, None]
        squares = self._squares[series[..., None], places[..., :, None], places[..., None, :]]
        system = squares + RIDGE * np.eye(places.shape[-1])
        products = self._squares[series, places, -1] + RIDGE * self._usual[places]
        return np.asarray(np.linalg.solve(system, products[..., None])[..., 0])

    def left(self, places: Places) -> Table:
        """Return the products of lags with what the columns at ``places`` do not explain.

        They are (series, lead, lag column).
        """
        lags, series = self._columns.lags, np.arange(len(places))[:, None, None]
        products = self._squares[series, places][..., lags]  # (series, lead, place, lag column)
        said = (self.solve(places)[:, :, None] @ products)[:, :, 0]
        return np.asarray(self._squares[:, None, -1, lags] - said)

    def power(self) -> tuple[Table, Table]:
        """Return the sums of squares of lags, (series, 1, lag column), and of targets."""
        power = np.diagonal(self._squares, axis1=1, axis2=2)[:, None]
        return power[..., self._columns.lags], power[..., -1:]

    def snapshot(self) -> Arrays:
        """Return the state as arrays, in which every axis of series is one."""
        columns, own = self._columns, self._own
        squares, between = self._squares[:, columns.lags], (columns.n_series, columns.n_lags)
        return {
            "shared": squares[..., columns.lags].reshape(-1, *between, *between).copy(),
            "half": squares[..., own].reshape(-1, *between, len(own)).copy(),
            "own": self._squares[:, own[:, None], own].copy(),
        }

    def restore(self, arrays: Arrays) -> None:
        """Become the sums that ``snapshot`` was taken of."""
        lags, own = np.arange(self._columns.lags.start, self._columns.lags.stop), self._own
        n_series = self._columns.n_series
        half = arrays["half"].reshape(n_series, len(lags), len(own))
        self._squares = np.zeros_like(self._squares)
        shared = arrays["shared"].reshape(n_series, len(lags), len(lags))
        self._squares[:, lags[:, None], lags] = shared
        self._squares[:, lags[:, None], own] = half
        self._squares[:, own[:, None], lags] = half.transpose(0, 2, 1)
        self._squares[:, own[:, None], own] = arrays["own"]

    @property
    def _own(self) -> NDArray[np.int64]:
        """The columns that are not of all series."""
        return np.asarray(np.r_[0, self._columns.lags.stop : self._columns.width])
