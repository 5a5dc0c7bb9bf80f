"""Effects of what is known ahead: by how much of the usual it moves all cells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Stateful, grown
from tidecast.models.profile import ForecastProfile
from tidecast.state.settings.base import DAY

__all__ = ["LARGEST", "TELLING", "Effects"]

Cells = NDArray[np.float64]  # (cell, series)
Terms = NDArray[np.float64]  # (term, cell, series)

LARGEST = 8.0
"""Demand is never taken for more than this many times the usual, nor for less than nothing."""

TELLING = 0.25
"""At less than this share of the usual, demand tells nothing of what is usual."""

SHOCKS_A_DAY = 4.0
"""Shocks last: the bins of a day tell no more than so many that are independent of each other."""

LEAST_SHARED = 0.05
"""Square of the shock that cells are taken to share at least: no two holidays are alike."""

YEAR = 365 * DAY


class Effects(Stateful):
    """Linear effects on the usual of terms that are known ahead, shared by all cells of a series.

    Demand is taken for expected x (1 + terms x effects) + noise, where the noise of a cell varies
    with its mean, as counts do, and all cells of a bin share a shock besides. Least squares,
    generalised for that and exact: a promotion in one region is told from a shock of all, and a
    bin in which everything moved is one observation, not ten thousand. What is expected is the
    usual week at the level of the last long season. Half of what was learnt is left a year later.

    Parameters
    ----------
    prior
        Precision of each term's effect, which is 0, before anything is known of it.
    """

    STATE = ("seen", "level", "spread", "information", "products", "effects")

    def __init__(self, profile: ForecastProfile, prior: Sequence[float]) -> None:
        n_terms = len(prior)
        self._prior = np.array(prior, np.float64)
        longest = max(7, profile.longest_season)
        width = profile.grid.nominal_width
        self._share = min(1.0, SHOCKS_A_DAY * width / DAY)
        self._old_enough = 2 * longest
        self._kept_level = 1.0 - 2.0 / longest
        self._kept_spread = 1.0 - 0.25 / longest
        self._kept = 0.5 ** (width / YEAR)
        n_series = profile.n_series
        self._seen = np.zeros((0, n_series))
        self._level = np.zeros((2, n_series))  # what came and what was usual
        self._spread = np.zeros((4, n_series))
        self._information = np.zeros((n_series, n_terms, n_terms))
        self._products = np.zeros((n_series, n_terms))
        self._effects = np.zeros((n_series, n_terms))

    def factors(self, terms: Terms) -> Cells:
        """Return what the usual is to be multiplied by, (cell, series), in [0, ``LARGEST``]."""
        if not terms.any():
            return np.ones(terms.shape[1:])
        moved = np.einsum("kcs,sk->cs", terms, self._effects)
        return np.asarray(np.clip(1.0 + moved, 0.0, LARGEST))

    def moves(self, terms: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what each of the ``terms`` of a cell, (term, series), adds to the factor 1."""
        return np.asarray(terms * self._effects.T)

    def learn(self, values: Cells, usual: Cells, terms: Terms) -> None:
        """Take in a bin: values, NaN = missing, what was usual of it, and its terms.

        Terms are of order one. Cells younger than two long seasons teach nothing: what is usual
        of them is not known well enough.
        """
        self._seen = grown(self._seen, len(values))
        known = np.isfinite(values) & (usual > 0.0) & (self._seen >= self._old_enough)
        self._seen = self._seen + np.isfinite(values)
        came = np.where(known, values, 0.0)
        usual = np.where(known, usual, 0.0)
        expected = usual * self._ratio()
        self._information *= self._kept
        self._products *= self._kept
        if terms.any():
            self._learn_effects(came - expected, expected, terms)
        factors = self.factors(terms)
        self._learn_spread(came - expected * factors, expected)
        tells = factors >= TELLING
        sums = [np.where(tells, came / np.fmax(factors, TELLING), 0.0), np.where(tells, usual, 0.0)]
        self._level = self._kept_level * self._level + np.sum(sums, axis=1)

    def rescale(self, units: NDArray[np.float64]) -> None:
        """Go on with terms in other units; ``units`` (term,) are old ones in the new."""
        if (units != 1.0).any():
            self._information *= units[:, None] * units
            self._products *= units
            self._solve()

    def _ratio(self) -> NDArray[np.float64]:
        """Return how the level of the last long season was to the usual: (series,)."""
        came, usual = self._level
        ratio = np.where(usual > 0.0, came / np.where(usual > 0.0, usual, 1.0), 1.0)
        return np.clip(ratio, 0.2, 5.0)

    def _learn_spread(self, away: Cells, expected: Cells) -> None:
        """Take in what came besides: squares, means, and products of two cells of a bin."""
        squares, total = (away**2).sum(axis=0), expected.sum(axis=0)
        shared = away.sum(axis=0) ** 2 - squares
        pairs = total**2 - (expected**2).sum(axis=0)
        self._spread = self._kept_spread * self._spread + [squares, total, shared, pairs]

    def _learn_effects(self, away: Cells, expected: Cells, terms: Terms) -> None:
        squares, total, shared, pairs = self._spread
        dispersion = squares / np.fmax(total, 1e-300)
        common = np.fmax(shared / np.fmax(pairs, 1e-300), LEAST_SHARED)
        for series in np.flatnonzero(dispersion > 0.0):
            x, mean = terms[:, :, series], expected[:, series]
            whole = x @ mean  # (term,)
            cut = common[series] / (dispersion[series] + common[series] * mean.sum())
            share = self._share / dispersion[series]
            squares_of = (x * mean) @ x.T - cut * np.outer(whole, whole)
            products = x @ away[:, series] - cut * away[:, series].sum() * whole
            self._information[series] += share * squares_of
            self._products[series] += share * products
        self._solve()

    def _solve(self) -> None:
        ridge = np.diag(self._prior)
        solved = np.linalg.solve(self._information + ridge, self._products[..., None])[..., 0]
        sane = np.isfinite(solved).all(axis=1)
        for array in (self._information, self._products, solved):
            array[~sane] = 0.0
        self._effects = np.asarray(solved)
