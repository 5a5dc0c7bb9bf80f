"""Dispersion: how large the blend's errors are for what is forecast, cell by cell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Stateful, grown
from tidecast.models.ranks import NOTHING

__all__ = ["Dispersion"]

Forecasts = NDArray[np.float32]  # (series, cell, lead)
Cells = NDArray[np.float64]
Values = NDArray[np.floating]

KEPT_PER_BIN = 1.0 - 1.0 / 60
USUAL_WEIGHT = 20.0
"""Events, as many as are counted, that what is usual among cells stands for in each."""

MOST = 2.0
"""Times what is usual that a cell counts for at most: one whose level shifts widens no other. Where
it is a matter of many cells they count in full, for then it is what is usual that is more."""

ROUNDS = 6
"""Of finding what is usual, by cells whose weight depends on it, from their median on."""

LARGEST_ERROR = 8.0
"""Errors beyond this many scales count as this: one burst widens no cell for weeks."""

LEAST_SHARE = 0.04
"""The least forecast that the scale is made of, as a share of the level of its cell."""

SIZE_UNKNOWN = 0.15
"""Square of what the mean of a new cell may be off by, as a share of it; one over its age, in bins,
is left of that, and nothing at the end of its youth."""

RHYTHM_UNKNOWN = 0.06
"""The same of how it goes on from there, times the logarithm of the lead: a new cell has the rhythm
of those like it, until it is known to have another. It fades evenly over its youth."""

END_OF_YOUTH = 60

LEAST_SCALE = 0.1
"""The least scale, as a share of what experts say: of errors that have been nothing so far."""


class Dispersion(Stateful):
    """Variance of the blend's errors per unit forecast, of each cell and series.

    It is 1 for orders that come one by one (a Poisson count), twelve for units sold by the dozen,
    and more where the mean itself is uncertain; in the unit of the series. With it the scale of a
    forecast is the root of dispersion x mean: it grows with the forecast, lead by lead, as it does
    for counts, and (mean / scale)^2 is the number of events that are expected, whatever they count.

    Errors are those of lead 1, known in the next bin. A cell of few events leans on what is usual
    among the cells of its series, of which none counts for much more than another. What is not
    known yet of the size and rhythm of a new cell makes its scale wider.

    References
    ----------
    McCullagh and Nelder (1989), Generalized linear models, section 9.2 (quasi-likelihood: a
    variance in proportion to the mean).
    """

    STATE = ("squares", "means", "seen")

    def __init__(self, n_series: int) -> None:
        self._squares = np.zeros((0, n_series))
        self._means = np.zeros((0, n_series))
        self._seen = np.zeros((0, n_series))

    def learn(self, errors: Values, mean: Values, scale: Values) -> None:
        """Add errors of lead 1, what was forecast and its scale, (cell, series); NaN = unknown."""
        n_cells = len(errors)
        squares, means = grown(self._squares, n_cells), grown(self._means, n_cells)
        error = np.clip(errors, -LARGEST_ERROR * scale, LARGEST_ERROR * scale)
        known = np.isfinite(error)
        self._squares = np.where(known, KEPT_PER_BIN * squares + error**2, squares)
        self._means = np.where(known, KEPT_PER_BIN * means + np.fmax(mean, 0.0), means)
        self._seen = grown(self._seen, n_cells) + known

    def restate(self, factor: Values) -> None:
        """Multiply all errors learnt so far by ``factor``, (cell, series): their unit changes."""
        self._squares = grown(self._squares, len(factor)) * np.square(factor)
        self._means = grown(self._means, len(factor))

    def scale(
        self,
        mean: Forecasts,
        said: Forecasts,
        level: Cells,
        spread: Forecasts | float = 1.0,
        shut: NDArray[np.bool_] | bool = False,
    ) -> Forecasts:
        """Return the scale of forecasts, (series, cell, lead).

        ``said`` is the scale that experts give, which stands until errors are known; ``level``
        (series, cell) is the usual size of cells. Errors will be ``spread`` times as large as those
        learnt; what is not known of a young cell is apart from that. While a cell is ``shut``,
        (series, cell, lead) or broadcast to it, the scale is that of the mean, however small.
        """
        dispersion = self._of_cells(mean.shape[1])[:, :, None].astype(np.float32)
        least = LEAST_SHARE * np.abs(level)[:, :, None].astype(np.float32)
        size = np.where(shut, np.fmax(mean, NOTHING), np.maximum(mean, least))
        unknown = self._unknown(*mean.shape[1:]).astype(np.float32)
        scale = np.sqrt(dispersion * size * spread**2 + unknown * size**2)
        floor = np.where(shut, np.float32(0.0), np.float32(LEAST_SCALE)) * said
        return np.where(dispersion > 0, np.maximum(scale, floor), said)

    def _of_cells(self, n_cells: int) -> Cells:
        """Return the dispersion, (series, cell); 0 while nothing is known of a series."""
        squares, means = grown(self._squares, n_cells).T, grown(self._means, n_cells).T
        usual = _usual(squares, means)
        lean = USUAL_WEIGHT * usual
        return _ratio(squares + lean * usual, means + lean)

    def _unknown(self, n_cells: int, n_leads: int) -> NDArray[np.float64]:
        """Return the variance of the means of young cells, as a share of their squares.

        It is what is unknown of them beyond what is of the oldest cell, (series, cell, lead): what
        errors are like in a table that is all young, its shapes tell.
        """
        age = grown(self._seen, n_cells).T[:, :, None] + 1.0
        size = SIZE_UNKNOWN * np.fmax(1.0 / age - 1.0 / END_OF_YOUTH, 0.0)
        youth = np.fmax(1.0 - age / END_OF_YOUTH, 0.0)
        rhythm = RHYTHM_UNKNOWN * youth * np.log(np.arange(1.0, n_leads + 1.0))
        unknown = size + rhythm
        return np.asarray(unknown - unknown.min(axis=1, keepdims=True, initial=np.inf))


def _usual(squares: Cells, means: Cells) -> Cells:
    """Return what is usual among cells, (series, 1); both are (series, cell)."""
    usual = _weighted_median(_ratio(squares, means), np.sqrt(means))
    for _ in range(ROUNDS):
        lean = USUAL_WEIGHT * usual
        most = usual * (MOST * means + (MOST - 1.0) * lean)
        weight = _ratio(np.ones_like(means), means + lean)
        counted = np.fmin(squares, most)
        above, below = ((weight * part).sum(axis=-1, keepdims=True) for part in (counted, means))
        usual = _ratio(above, below)
    return usual


def _weighted_median(values: Cells, weights: Cells) -> Cells:
    """Return the least value that half of the weight is not above, (series, 1)."""
    if not values.shape[-1]:
        return np.zeros((len(values), 1))
    order = np.argsort(values, axis=-1, kind="stable")
    below = np.cumsum(np.take_along_axis(weights, order, -1), axis=-1)
    place = (below < 0.5 * below[:, -1:]).sum(axis=-1, keepdims=True)
    return np.take_along_axis(np.take_along_axis(values, order, -1), place, -1)


def _ratio(part: Cells, whole: Cells) -> Cells:
    """Return part / whole, 0 where there is no whole."""
    return np.asarray(np.divide(part, whole, out=np.zeros_like(part), where=whole > 0))
