"""The choice of lags: which earlier bins of other series tell what a series' own past does not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays
from tidecast.models.online.lagged_squares import LaggedSquares
from tidecast.models.online.leading_columns import Columns, Places

__all__ = ["LagChoice"]

Flags = NDArray[np.bool_]  # (series, lead, lag column)

MOST = 4
"""Lags chosen for a series and lead."""

BEYOND, STILL = 5.0, 3.0
"""Standard errors by which a stream must stand out from noise, and a further lag of one that leads
already. There are hundreds of lags, looked at again and again."""

LEAST_GAIN = 0.01
"""Share of what is to be explained that a lag must explain of it."""

FEWEST_BINS = 60.0

NAMES = ("noise", "noise_in_time", "late", "usual")


class LagChoice:
    """Chooses lags one by one: the next explains most of what those before it left unexplained.

    A lag is chosen where the sum of its products with what is left stands out from noise. Cells
    share shocks, and errors of lead h go on for h bins: so noise is told from how the sums over
    the cells of a bin vary, and hang together in time, about their running mean.

    References
    ----------
    Granger (1969), Investigating causal relations by econometric models: a stream leads if it tells
    what the own past does not; Pati, Rezaiifar and Krishnaprasad (1993), Orthogonal matching
    pursuit; Newey and West (1987), A simple covariance matrix consistent with autocorrelation, here
    with weights that fall by a constant factor.
    """

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        shape = columns.others.shape
        self.chosen: Flags = np.zeros(shape, dtype=bool)
        self._bins = np.zeros(columns.n_series)
        self._sums = {name: np.zeros(shape) for name in NAMES}

    def learn(self, rows: NDArray[np.float64], squares: LaggedSquares) -> None:
        """Learn what ``rows``, (series, column, row), say by chance; ``squares`` lack them."""
        columns, sums = self._columns, self._sums
        said = columns.dense(columns.own, squares.solve(columns.own)) @ rows
        products = (rows[:, None, -1] - said) @ rows[:, columns.lags].transpose(0, 2, 1)
        is_told: NDArray[np.bool_] = np.any(rows[:, -1], axis=1)
        rate = np.where(is_told, np.maximum(0.01, 1.0 / (20.0 + self._bins)), 0.0)
        sums["usual"] = sums["usual"] + rate[:, None, None] * (products - sums["usual"])
        away = np.where(is_told[:, None, None], products - sums["usual"], 0.0)
        kept = squares.kept(rows)[:, None, None] ** 2
        sums["noise"] = kept * sums["noise"] + away**2
        both = away * (away + 2.0 * sums["late"])
        sums["noise_in_time"] = kept * sums["noise_in_time"] + both
        leads = np.arange(1, columns.n_leads + 1)[:, None]
        sums["late"] = (1.0 - 1.0 / leads) * (sums["late"] + away)
        self._bins = self._bins + is_told

    def choose(self, squares: LaggedSquares) -> None:
        """Choose the lags anew."""
        noise = np.fmax(self._sums["noise"], self._sums["noise_in_time"]) + 1e-300
        leads_already = self._of_stream(self.chosen).any(axis=1, keepdims=True)
        power, whole = squares.power()
        may = self._columns.others & (self._bins >= FEWEST_BINS)[:, None, None]
        found, places = np.zeros_like(self.chosen), self._columns.own
        for _ in range(MOST):
            beyond = np.where(leads_already | self._of_stream(found), STILL, BEYOND)
            left = squares.left(places) ** 2
            gain = left / np.fmax(power, 1e-300)
            is_good = may & ~found & (left > beyond**2 * noise) & (gain > LEAST_GAIN * whole)
            best = np.where(is_good, gain, 0.0).argmax(axis=2)[..., None]
            added = np.take_along_axis(is_good, best, axis=2)
            places = np.concatenate([places, np.where(added, best + 1, 0)], axis=2)
            added |= np.take_along_axis(found, best, axis=2)
            np.put_along_axis(found, best, added, axis=2)
        self.chosen = found

    def places(self) -> Places:
        """Return the columns of the chosen, 0 where there are fewer: (series, lead, MOST)."""
        order = np.argsort(~self.chosen, axis=2, kind="stable")[:, :, :MOST]
        return np.where(np.take_along_axis(self.chosen, order, axis=2), order + 1, 0)

    def _of_stream(self, flags: Flags) -> Flags:
        """Tell of every lag whether any of the same series is flagged."""
        any_lag = self._apart(flags).any(axis=3)
        return np.repeat(any_lag, self._columns.n_lags, axis=2)

    def _apart(self, of_lags: NDArray[np.generic]) -> NDArray[np.generic]:
        """Return what is known of lag columns by series: (series, lead, series, lag)."""
        return of_lags.reshape(*of_lags.shape[:2], self._columns.n_series, self._columns.n_lags)

    def snapshot(self) -> Arrays:
        """Return the state as arrays, in which every axis of series is one."""
        sums = {name: self._apart(array).copy() for name, array in self._sums.items()}
        return {**sums, "chosen": self._apart(self.chosen).copy(), "bins": self._bins.copy()}

    def restore(self, arrays: Arrays) -> None:
        """Become the choice that ``snapshot`` was taken of."""
        shape = self.chosen.shape
        self._sums = {name: arrays[name].reshape(shape).copy() for name in NAMES}
        self.chosen, self._bins = arrays["chosen"].reshape(shape).copy(), arrays["bins"].copy()
