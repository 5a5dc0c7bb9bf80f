"""Features of the pooled linear model: departures from the usual week, in scales of the cell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.covariates import N_WAVES, Covariates
from tidecast.models.profile import RECENT
from tidecast.state.window import Window

__all__ = ["CLIP", "FEATURES", "FeatureTable"]

Cells = NDArray[np.float64]  # (series, cell)

CLIP = 6.0
"""Departures of more scales than this are taken for this."""

FEATURES = (
    *("departure", "departure_1", "departure_2", "departure_mean_4", "departure_mean_12"),
    *("neighbours", "season", "usual"),
    *(f"wave_{wave}" for wave in range(N_WAVES)),
)
"""Names of the features, in the order of the table."""


class FeatureTable:
    """Features for any origin of late, counted in bins back from the newest.

    A departure is a value less what was usual for it at the time; ``departures`` is a window of
    them. All are in units of the cell's running scale, so that one model serves all cells; what is
    missing is 0. The features of a pair (origin, lead) read no departure after the origin: they
    are what they were when the origin was the newest bin, but for the scale that they are in.
    """

    def __init__(self, departures: Window, covariates: Covariates, season: int) -> None:
        self._departures = departures
        self._covariates = covariates
        self._season = season
        self._scale = covariates.scale.T
        self._near = covariates.neighbours >= 0
        self._known: dict[int, Cells] = {}
        self._origins: dict[int, NDArray[np.float64]] = {}

    def matrix(self, origin: int, lead: int, usual: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the features of one origin and lead: (feature, series, cell).

        ``usual``, (cell, series), is what is usual of the target.
        """
        matrix = np.empty((len(FEATURES), *self._scale.shape))
        matrix[:6] = self._of_origin(origin)
        matrix[6] = self._season_before(origin, lead)
        matrix[7] = np.clip((usual - self._covariates.level).T / self._scale, -CLIP, CLIP)
        bin_ = self._covariates.bin - origin + lead
        matrix[8:] = np.array(self._covariates.calendar.waves(bin_))[:, None, None]
        return matrix

    def _of_origin(self, origin: int) -> NDArray[np.float64]:
        """Return the features that do not depend on the lead: (feature, series, cell)."""
        if origin not in self._origins:
            recent = np.stack([self._departure(origin + back) for back in range(RECENT)])
            four, twelve = recent[:4].mean(axis=0), recent.mean(axis=0)
            near = self._over_neighbours(recent[0])
            self._origins[origin] = np.stack([*recent[:3], four, twelve, near])
        return self._origins[origin]

    def _departure(self, lag: int) -> Cells:
        if lag not in self._known:
            standard = self._departures.lag(lag).T / self._scale
            self._known[lag] = np.clip(np.nan_to_num(standard), -CLIP, CLIP)
        return self._known[lag]

    def _season_before(self, origin: int, lead: int) -> Cells | float:
        """Return the departure whole seasons before the target, not after the origin."""
        if not self._season:
            return 0.0
        return self._departure(origin - lead + self._season * -(-lead // self._season))

    def _over_neighbours(self, values: Cells) -> Cells:
        near = np.where(self._near, values[:, self._covariates.neighbours], 0.0)
        mean: Cells = near.sum(axis=2) / np.fmax(self._near.sum(axis=1), 1)
        return mean  # (series, cell)
