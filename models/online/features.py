"""Features of linear models, and of River's on a sample: departures from the usual week."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import grown
from tidecast.models.covariates import N_WAVES, Covariates
from tidecast.models.online.standard import CLIP
from tidecast.models.profile import RECENT
from tidecast.state.window import Window

__all__ = ["FEATURES", "FeatureTable"]

Cells = NDArray[np.float64]  # (lag or origin, series, cell)
Features = NDArray[np.float64]  # (feature, pair or origin, series, cell)

FEATURES = (
    *("departure", "departure_1", "departure_2", "departure_mean_4", "departure_mean_12"),
    *("neighbours", "season", "usual"),
    *(f"wave_{wave}" for wave in range(N_WAVES)),
    "recently",
)
"""Names of the features, in the order of the table."""


class FeatureTable:
    """Features of many pairs (origin, lead), origins counted in bins back from the newest.

    A departure is a value less what was usual for it at the time; ``departures`` is a window of
    them. All are in units of the cell's running scale, so that one model serves all cells; what is
    missing is 0. The features of a pair (origin, lead) read no departure after the origin: they
    are what they were when the origin was the newest bin, but for the scale that they are in.

    Parameters
    ----------
    origins
        One of each of the ``leads``, or the same of all.
    season
        Bins; 0 is none.
    lasting
        A window of what `AdaptedWeek.lasting` was; where nobody asks for that, None.
    """

    def __init__(
        self,
        departures: Window,
        covariates: Covariates,
        season: int,
        origins: range,
        leads: range,
        lasting: Window | None = None,
    ) -> None:
        self._departures = departures
        self._covariates = covariates
        self._scale = covariates.scale.T
        self._targets = covariates.bin - np.array(origins) + np.array(leads)
        pairs = (len(leads), *self._scale.shape)
        recent = self._standard(np.arange(origins.start, origins.stop + RECENT - 1))
        of_origins = self._of_origins([recent[n : n + len(origins)] for n in range(RECENT)])
        self._of_origins_of = np.broadcast_to(of_origins, (len(of_origins), *pairs))
        self._lasting = np.zeros((len(leads), 1, 1))
        if lasting is not None:
            ratios = grown(lasting.lags(np.array(origins)), pairs[2], axis=1, fill=np.nan)
            self._lasting = self._lasting + np.nan_to_num(ratios)  # (pair, cell, series)
        self._season = np.broadcast_to(0.0, pairs)
        if season:
            self._season = self._seasons_before(np.array(origins), np.array(leads), season)

    def matrix(self, pairs: slice, usual: NDArray[np.float32]) -> Features:
        """Return the features of some pairs: (feature, pair, series, cell).

        ``usual``, (pair, cell, series) or broadcast to it, is what is usual of the targets.
        """
        season = self._season[pairs]
        matrix = np.empty((len(FEATURES), *season.shape))
        matrix[:6] = self._of_origins_of[:, pairs]
        matrix[6] = season
        away = (usual - self._covariates.level).transpose(0, 2, 1) / self._scale
        matrix[7] = np.clip(away, -CLIP, CLIP)
        waves = [self._covariates.calendar.waves(int(bin_)) for bin_ in self._targets[pairs]]
        matrix[8:-1] = np.transpose(waves)[..., None, None]
        adapts = (usual * self._lasting[pairs]).transpose(0, 2, 1) / self._scale
        matrix[-1] = np.clip(adapts, -CLIP, CLIP)
        return matrix

    def _of_origins(self, recent: list[Cells]) -> Features:
        """Return the features that do not depend on the lead: (feature, origin, series, cell).

        ``recent`` are the departures of the last bins before each origin, the newest first.
        """
        four, twelve = sum(recent[1:4], recent[0]) / 4, sum(recent[1:], recent[0]) / RECENT
        return np.stack([*recent[:3], four, twelve, self._over_neighbours(recent[0])])

    def _standard(self, lags: NDArray[np.int64]) -> Cells:
        """Return the departures of earlier bins in scales, (lag, series, cell), finite."""
        standard = self._departures.lags(lags).transpose(0, 2, 1) / self._scale
        return np.clip(np.nan_to_num(standard), -CLIP, CLIP)

    def _seasons_before(
        self, origins: NDArray[np.int64], leads: NDArray[np.int64], season: int
    ) -> Cells:
        """Return the departures whole seasons before the targets, not after the origins."""
        lags, places = np.unique(
            origins - leads + season * -(-leads // season), return_inverse=True
        )
        return self._standard(lags)[places]

    def _over_neighbours(self, values: Cells) -> Cells:
        total, near = np.zeros_like(values), self._covariates.neighbours
        for one in near.T:
            total += np.where(one >= 0, values.take(one, axis=-1), 0.0)
        mean: Cells = total / np.fmax((near >= 0).sum(axis=1), 1)
        return mean
