"""Discounted least squares by hour of the day, solved exactly in every bin."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Stateful
from tidecast.models.covariates import Calendar

__all__ = ["HourlyLeastSquares"]

Rows = NDArray[np.float64]  # (series, lead, row)
Features = NDArray[np.float64]  # (series, lead, feature, row)

NEAR_HOURS = (1.0, 0.3, 0.1)
"""What rows of the same hour, the next and the one after count for."""

OTHER_HOURS = 0.02
OTHER_DAYS = 0.05
"""What rows of any other hour count for, and of weekends for working days and the other way."""

FEWEST_VISITS, MEMORY_ROWS, LARGEST_KEPT = 5.0, 1300.0, 0.998
"""An hour remembers as many of its bins as hold ``MEMORY_ROWS`` rows, five at least."""

RIDGE = 20.0
"""Rows of standardised noise, per feature, that shrink coefficients towards zero."""

FEWEST_ROWS = 50.0


class HourlyLeastSquares(Stateful):
    """Weighted linear models per series, lead and hour of day, of working days and of weekends.

    Discounted sums of squares are kept per hour; a model of an hour is solved from its own and,
    with small weights, all others'. Those weigh more, up to 1, until an hour counts
    ``MEMORY_ROWS``: the only cell of a table gives an hour one row a day. So a young hour is the
    model of all hours, and one well known is nearly its own. Where bins are days there is one
    model. Exact: no learning rate, no order of updates within a bin.
    """

    STATE = ("squares", "products", "rows")

    def __init__(self, n_series: int, horizon: int, n_features: int, calendar: Calendar) -> None:
        self._calendar = calendar
        self._kinship = _kinship(calendar.n_slots == 7)  # (slot, slot)
        shape = (n_series, horizon, len(self._kinship), n_features)
        self._squares = np.zeros((*shape, n_features))
        self._products = np.zeros(shape)
        self._rows = np.zeros(shape[:-1])

    def learn(self, leads: slice, bin_: int, features: Features, y: Rows, w: Rows) -> int:
        """Add the rows of one bin, targets and weights >= 0; return how many models begin anew.

        Those are the ones whose sums are not finite any more.
        """
        place = np.s_[:, leads, self._slot(bin_)]
        rows = (w > 0).sum(axis=-1)  # (series, lead)
        kept = np.clip(1.0 - rows / MEMORY_ROWS, 1.0 - 1.0 / FEWEST_VISITS, LARGEST_KEPT)
        kept = np.where(rows > 0, kept ** (1.0 / self._calendar.bins_per_slot), 1.0)[..., None]
        weighted = features * w[:, :, None]
        squares = kept[..., None] * self._squares[place] + weighted @ features.swapaxes(-1, -2)
        products = kept * self._products[place] + (weighted @ y[..., None])[..., 0]
        self._squares[place], self._products[place] = squares, products
        self._rows[place] = kept[..., 0] * self._rows[place] + rows
        return self._reset(leads, ~np.isfinite(squares.sum(axis=(2, 3)) + products.sum(axis=2)))

    def _reset(self, leads: slice, insane: NDArray[np.bool_]) -> int:
        """Forget the series and leads that are ``insane``, (series, lead); return how many."""
        for array in (self._squares, self._products, self._rows):
            array[:, leads][insane] = 0.0
        return int(insane.sum())

    def coefficients(self, origin: int) -> NDArray[np.float64]:
        """Return those for the bins after ``origin``: (series, lead, feature), finite."""
        n_series, horizon, n_slots, n_features = self._products.shape
        slots = [self._slot(origin + lead) for lead in range(1, horizon + 1)]
        kinship = self._leaning(self._kinship[slots])  # (series, lead, slot)
        flat = self._squares.reshape(n_series, horizon, n_slots, -1)
        squares = (kinship[:, :, None] @ flat).reshape(n_series, horizon, n_features, n_features)
        products = (kinship[:, :, None] @ self._products)[:, :, 0]  # (series, lead, feature)
        rows = (kinship * self._rows).sum(axis=-1)[..., None]  # (series, lead, 1)
        size = np.sqrt(np.diagonal(squares, axis1=-2, axis2=-1))
        unit = np.where(size > 0, 1.0 / np.where(size > 0, size, 1.0), 0.0)
        squares *= unit[..., None] * unit[..., None, :]
        ridge = RIDGE * n_features / np.fmax(rows, FEWEST_ROWS) + 1e-6
        squares += ridge[..., None] * np.eye(n_features)
        solved = np.linalg.solve(squares, (unit * products)[..., None])[..., 0]
        return np.where(rows >= FEWEST_ROWS, unit * solved, 0.0)

    def _leaning(self, kinship: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what rows of a slot count for, (series, lead, slot), of what they do at least.

        Those of others count for as much more as makes up for rows that an hour lacks.
        """
        counted = (kinship * self._rows).sum(axis=-1)
        rest = ((1.0 - kinship) * self._rows).sum(axis=-1)
        lean = np.clip((MEMORY_ROWS - counted) / np.fmax(rest, 1e-9), 0.0, 1.0)
        leaning: NDArray[np.float64] = kinship + lean[..., None] * (1.0 - kinship)
        return leaning

    def _slot(self, bin_: int) -> int:
        if self._calendar.n_slots == 7:
            return 0
        day, hour = divmod(self._calendar.slot(bin_), 24)
        return hour + 24 * (day >= 5)


def _kinship(is_daily: bool) -> NDArray[np.float64]:
    """Return what rows of a slot count for in another: (slot, slot)."""
    if is_daily:
        return np.ones((1, 1))
    apart = np.abs(np.arange(24)[:, None] - np.arange(24))
    apart = np.minimum(apart, 24 - apart)
    hours = np.full(24, OTHER_HOURS)
    hours[: len(NEAR_HOURS)] = NEAR_HOURS
    return np.kron(np.array([[1.0, OTHER_DAYS], [OTHER_DAYS, 1.0]]), hours[apart])
