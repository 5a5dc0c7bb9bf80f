"""Features of the pooled linear model: departures from the season, standardised by cell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.covariates import N_WAVES, Covariates
from tidecast.models.profile import RECENT
from tidecast.state.window import Window

__all__ = ["FEATURES", "FeatureTable"]

Cells = NDArray[np.float64]  # (series, cell)

CLIP = 6.0
"""Standardised values beyond are taken for this."""

FEATURES = (
    *("departure", "departure_1", "departure_2", "departure_mean_4", "departure_mean_12"),
    *("neighbours", "base", "season_contrast"),
    *(f"wave_{wave}" for wave in range(N_WAVES)),
)
"""Names of the features, in the order of the table."""


class FeatureTable:
    """Features for any origin in the window, lags counted in bins back from its newest slab.

    The base of a target bin is the mean of the same bin in the last known season of each length;
    a departure is a value less its base. All are in units of the cell's running scale, so that one
    model serves all cells; what is missing is 0. The features of a pair (origin, lead) read no
    slab after the origin: they are what they were when the origin was the newest bin, but for the
    running level and scale that they are expressed in.
    """

    def __init__(
        self, window: Window, covariates: Covariates, season_lengths: tuple[int, ...]
    ) -> None:
        self._window = window
        self._covariates = covariates
        self._seasons = season_lengths
        self._level, self._scale = covariates.level.T, covariates.scale.T
        self._values: dict[int, Cells] = {}
        self._departures: dict[int, Cells] = {}
        self._near = covariates.neighbours >= 0

    def base(self, origin: int, lead: int) -> Cells:
        """Return the seasonal base of the bin ``lead`` after lag ``origin``: (series, cell)."""
        return _mean_of(self._season_values(origin, lead))

    def matrix(self, origin: int, lead: int) -> NDArray[np.float64]:
        """Return the features of one origin and lead: (feature, series, cell)."""
        departures = [self._departure(origin + back) for back in range(RECENT)]
        seasons = self._season_values(origin, lead)
        matrix = np.empty((len(FEATURES), *self._level.shape))
        matrix[0:3] = departures[0:3]
        matrix[3] = sum(departures[:4]) / 4.0
        matrix[4] = sum(departures) / RECENT
        matrix[5] = self._over_neighbours(departures[0])
        matrix[6] = _mean_of(seasons)
        matrix[7] = np.nan_to_num(seasons[0] - seasons[-1]) if seasons else 0.0
        bin_ = self._covariates.bin - origin + lead
        matrix[8:] = np.array(self._covariates.calendar.waves(bin_))[:, None, None]
        return matrix

    def _value(self, lag: int) -> Cells:
        """Return a slab in units of the cells' scale, NaN = missing."""
        if lag not in self._values:
            standard = (self._window.lag(lag).T - self._level) / self._scale
            self._values[lag] = np.clip(standard, -CLIP, CLIP)
        return self._values[lag]

    def _departure(self, lag: int) -> Cells:
        if lag not in self._departures:
            away = self._value(lag) - self.base(lag + 1, 1)
            self._departures[lag] = np.nan_to_num(away)
        return self._departures[lag]

    def _season_values(self, origin: int, lead: int) -> list[Cells]:
        lags = (origin - lead + season * -(-lead // season) for season in self._seasons)
        return [self._value(lag) for lag in lags]

    def _over_neighbours(self, values: Cells) -> Cells:
        near = np.where(self._near, values[:, self._covariates.neighbours], 0.0)
        return near.sum(axis=2) / np.fmax(self._near.sum(axis=1), 1)  # (series, cell)


def _mean_of(values: list[Cells]) -> Cells | float:
    """Return the mean of what is finite of ``values``, 0 where nothing is."""
    if not values:
        return 0.0
    known = [np.isfinite(value) for value in values]
    total = sum(np.where(k, value, 0.0) for k, value in zip(known, values, strict=True))
    return total / np.fmax(sum(k.astype(np.float64) for k in known), 1.0)
