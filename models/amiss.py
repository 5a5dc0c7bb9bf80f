"""Amiss: what a series as a whole was off by of late, where chance does not explain it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Stateful

__all__ = ["Amiss"]

Values = NDArray[np.float32]
Table = NDArray[np.float64]

SURE = 3.0
"""Standard errors beyond which forecasts were off for a reason."""

LARGEST_ERROR = 2.0
"""Errors of sums beyond this many deviations count as this: no single bin is a reason."""

LEAST_MEMORY = 100.0
"""Bins, at least, over which the noise of errors is told."""

KNOWN_AFTER, SURE_AFTER = 2, 4
"""Seasons after which the noise is known well enough to bound errors by it, and to judge them."""

SMALLEST, LARGEST = 0.1, 3.0
"""What forecasts are multiplied by, at least and at most."""


class Amiss(Stateful):
    """What the forecasts of a series are to be multiplied by: 1, unless they were evidently off.

    Experts follow a level each at its own pace, and who was right before a shop died away is not
    who follows it fastest: no weights tell. Errors of lead 1 tell at once. If experts are any
    good these are noise, and add up to little over a season. Where the sum over cells, and over
    the season just gone (discounted), is z > ``SURE`` of its standard errors away from zero, the
    part 1 - (SURE / z)² of it is believed, as a share of what was forecast, at all leads.

    Errors are of the forecast before it is multiplied, so that nothing is corrected twice. Noise is
    told from how errors differ from one bin to the next, for what lasts is none.

    References
    ----------
    James and Stein (1961), Estimation with quadratic loss; von Neumann, Kent, Bellinson and Hart
    (1941), The mean square successive difference.
    """

    STATE = ("said", "off", "forecast", "noise", "last", "seen")

    def __init__(self, n_series: int, season: int) -> None:
        self._season = max(season, 1)
        self._kept = max(1.0 - 2.0 / self._season, 0.5)
        self._said = np.full((n_series, 0), np.nan, np.float32)
        self._off, self._forecast, self._noise, self._last, self._seen = np.zeros((5, n_series))

    def say(self, mean: Values) -> None:
        """Keep what is forecast of the next bin, (series, cell), before it is multiplied."""
        self._said = mean.copy()

    def learn(self, actual: Table) -> None:
        """Learn from the bin of which was said last; ``actual`` (series, cell), NaN = unknown."""
        said = self._said[:, : actual.shape[1]].astype(np.float64)
        known = np.isfinite(actual) & np.isfinite(said)
        is_known = known.any(axis=1)
        error = self._bounded(np.where(known, actual - said, 0.0).sum(axis=1))
        self._off = np.where(is_known, self._kept * self._off + error, self._off)
        forecast = self._kept * self._forecast + np.where(known, said, 0.0).sum(axis=1)
        self._forecast = np.where(is_known, forecast, self._forecast)
        self._seen = self._seen + is_known
        memory = max(LEAST_MEMORY, SURE_AFTER * self._season)
        rate = np.maximum(1.0 / memory, 1.0 / np.fmax(self._seen, 1.0))
        step = rate * (0.5 * np.square(error - self._last) - self._noise)
        self._noise = np.where(is_known, self._noise + step, self._noise)
        self._last = np.where(is_known, error, self._last)

    def _bounded(self, error: Table) -> Table:
        """Return errors of sums, (series,), those beyond reach as if just within it."""
        is_told = self._seen > KNOWN_AFTER * self._season
        reach = np.where(is_told, LARGEST_ERROR * np.sqrt(self._noise), np.inf)
        return np.clip(error, -reach, reach)

    def factor(self) -> Values:
        """Return what the forecasts of all leads are to be multiplied by, (series,)."""
        chance = SURE**2 * self._noise / (1.0 - self._kept**2)
        square = np.square(self._off)
        is_sure = (square > chance) & (self._seen > SURE_AFTER * self._season)
        is_sure &= self._forecast > 0.0
        believed = 1.0 - chance / np.where(is_sure, square, 1.0)
        share = self._off / np.where(is_sure, self._forecast, 1.0)
        moved = np.clip(1.0 + believed * share, SMALLEST, LARGEST)
        return np.where(is_sure, moved, 1.0).astype(np.float32)
