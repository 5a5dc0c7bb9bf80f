"""Features of the pooled least squares: counts and departures from the adapted week."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Part, Stateful
from tidecast.models.covariates import Covariates
from tidecast.models.neighbours import over_neighbours
from tidecast.models.online.adapted import AdaptedWeek
from tidecast.models.parts import of_features
from tidecast.models.profile import ForecastProfile
from tidecast.state.window import Window

__all__ = ["FeatureLook", "PooledFeatures"]

Values = NDArray[np.float32]
Cells = NDArray[np.float32]  # (lead, cell, series)
Bins = NDArray[np.int64]  # (lead,)

RECENT = 3
N_SEASONS = 7
AROUND = (-2, -1, 1, 2)
"""Bins around the season before the target that are features too: they tell its noise."""

LEAST_TOTAL, LARGEST_TOTAL = -0.8, 2.0
KEPT = ("expected", "departure", "ratio", "recently", "drift", "near")
EXPECTED, DEPARTURE, RATIO, RECENTLY, DRIFT, NEAR = range(len(KEPT))
"""What is kept of every bin, cell and series."""

SINCE_ORIGIN = (
    *("level", "root_level", "one"),
    *(f"departure_{lag}" for lag in range(RECENT)),
    *("drift", "neighbours"),
)
SINCE = (*((DEPARTURE, lag) for lag in range(RECENT)), (DRIFT, 0), (NEAR, 0))
"""What is kept that is a feature as it is, and of how many bins before the origin."""


class PooledFeatures(Stateful):
    """Features of cells for any late origin and lead, and what they are made of.

    All are in the series' own unit. The features of a pair (origin, lead) read no value after the
    origin, and are 0 where something is missing: lags of a season are differences from what is
    expected of the target. ``names`` are in the order of the features, and so are the ``parts`` of
    a forecast that these speak of.
    """

    def __init__(self, profile: ForecastProfile) -> None:
        seasons = profile.season_lengths or (24,)
        shortest, longest = seasons[0], seasons[-1]
        self.week = AdaptedWeek(profile.n_series, shortest, profile.memory)
        self._wholes = sorted({shortest, longest})
        lags = {n * shortest for n in range(1, N_SEASONS + 1)} | {longest}
        lags |= {whole + step for whole in self._wholes for step in AROUND}
        self._lags = sorted(lag for lag in lags if 0 < lag < profile.context_length)
        n_bins = profile.horizon + RECENT + 1
        self._kept = {name: Window(n_bins, profile.n_series) for name in KEPT}
        told = (*profile.past, *profile.static)
        self._told = Window(n_bins, len(told))
        names = (
            *("usual", "recently", *(f"expected_{lag}" for lag in range(RECENT))),
            *("total", *(f"total_{lag}" for lag in self._wholes)),
            *(f"season_{lag}" for lag in self._lags),
            *SINCE_ORIGIN,
        )
        self.names = (*names, *told)
        self.parts = (*of_features(names), *["covariate"] * len(told))

    def learn(self, bin_: int, values: NDArray[np.float64], covariates: Covariates) -> None:
        """Take in the values of a bin, (cell, series), fit to learn from; NaN = none."""
        expected, departure = self.week.learn(values, covariates)
        near = over_neighbours(departure, covariates.neighbours)
        week = self.week
        kept = (expected, departure, week.ratio - 1.0, week.recent, week.drift, near)
        for window, added in zip(self._kept.values(), kept, strict=True):
            window.append(bin_, added)
        self._told.append(bin_, covariates.told.T)

    def look(self, window: Window, covariates: Covariates, origins: range) -> FeatureLook:
        """Return the features as they are at the end of the newest bin, for late ``origins``.

        Those are counted in bins back from the newest.
        """
        return FeatureLook(self, window, covariates, origins)

    def kept(self, lags: Bins) -> Values:
        """Return what is kept of the bins that many before the newest, finite.

        It is (kept, lag, cell, series), and its first axis that of ``KEPT``.
        """
        return np.nan_to_num(np.stack([window.lags(lags) for window in self._kept.values()]))

    def told(self, lags: Bins, cells: slice) -> Values:
        """Return what covariates told at the end of the bins that many before the newest.

        It is (covariate, lag, cell), finite.
        """
        return np.nan_to_num(self._told.lags(lags, cells).transpose(2, 0, 1))

    @property
    def n_cells(self) -> int:
        """Cells taken in so far."""
        return self._kept["expected"].n_cells

    @property
    def lags(self) -> list[int]:
        """Bins between the target and the values before it that are features."""
        return self._lags

    @property
    def wholes(self) -> list[int]:
        """The shortest and the longest season, in bins."""
        return self._wholes

    def _members(self) -> dict[str, Part]:
        kept = {f"kept/{name}": window for name, window in self._kept.items()}
        return {"week": self.week, **kept, "told": self._told}


class FeatureLook:
    """One look at the features: of late origins, any leads and choice of cells, for one bin."""

    def __init__(
        self, of: PooledFeatures, window: Window, covariates: Covariates, origins: range
    ) -> None:
        self._of = of
        self._window = window
        self._level = np.abs(covariates.level).astype(np.float32)  # (cell, series)
        self._ceiling = (covariates.level + 8.0 * covariates.scale).astype(np.float32)
        mean = self._level.mean(axis=0) if len(self._level) else np.zeros(self._level.shape[1:])
        self._one = np.broadcast_to(mean, self._level.shape)
        self._root = np.sqrt(self._level * self._one)
        self._first = origins.start
        self._kept = of.kept(np.arange(origins.start, origins.stop + RECENT - 1))

    def shift(self, origins: Bins, usual: NDArray[np.float32]) -> Cells:
        """Return what the ratio, at each origin, adds to a usual, which may be broadcast."""
        shift: Cells = usual * self._at(RATIO, origins)
        return shift

    def matrix(self, origins: Bins, leads: Bins, expected: Cells, cells: slice) -> Values:
        """Return the features of ``cells`` for pairs (origin, lead): (feature, lead, cell, series).

        ``expected``, (lead, cell, series) and of all cells, is what is expected of the targets.
        """
        target = expected[:, cells]
        matrix = np.empty((len(self._of.names), *target.shape), np.float32)
        matrix[0] = target
        matrix[1] = target * self._at(RECENTLY, origins)[:, cells]
        for lag in range(RECENT):
            matrix[2 + lag] = self._at(EXPECTED, origins + lag)[:, cells] - target
        place = 2 + RECENT
        for total in self._totals(origins, leads, expected):
            matrix[place] = target * total[:, None]
            place += 1
        end = place + len(self._of.lags)
        known = self._before(self._of.lags, origins, leads, cells)
        np.subtract(known, target, out=matrix[place:end])
        seasonal = matrix[2 + RECENT : end]
        seasonal[np.isnan(seasonal)] = 0.0
        for own in (self._level, self._root, self._one):
            matrix[end] = own[cells]
            end += 1
        for name, lag in SINCE:
            matrix[end] = self._at(name, origins + lag)[:, cells]
            end += 1
        matrix[end:] = self._of.told(origins, cells)[..., None] * target
        return matrix

    def _at(self, name: int, origins: Bins) -> Cells:
        """Return what was kept of the bins of origins, finite."""
        kept: Cells = self._kept[name, origins - self._first]
        return kept

    def _before(
        self, lags: list[int], origins: Bins, leads: Bins, cells: slice = slice(None)
    ) -> Values:
        """Return the values so many bins before each target, no larger than is sane.

        They are (lag, lead, cell, series), NaN where missing or after the origin.
        """
        ahead = np.array(lags, np.int64)[:, None] - leads
        back = np.where(ahead >= 0, ahead + origins, -1)
        return np.minimum(self._window.lags(back, cells), self._ceiling[cells])

    def _totals(self, origins: Bins, leads: Bins, expected: Cells) -> list[Values]:
        """Return how totals went against what is expected, less 1: each (lead, series)."""
        known = self._before(self._of.wholes, origins, leads)
        away = [np.where(np.isnan(part), np.float32(0.0), part) for part in known - expected]
        departed = _share(self._at(DEPARTURE, origins), self._at(EXPECTED, origins))
        return [departed, *(_share(part, expected) for part in away)]


def _share(part: Cells, whole: Cells) -> Values:
    """Return the quotient of the sums over cells, within reason: (lead, series)."""
    share = _total(part) / np.fmax(_total(whole), np.float32(1e-9))
    clipped: Values = np.clip(share, LEAST_TOTAL, LARGEST_TOTAL).astype(np.float32)
    return clipped


def _total(values: Cells) -> Values:
    """Return sums over cells, (lead, series): of the same bits however many series there are."""
    total: Values = np.ascontiguousarray(values.swapaxes(1, 2)).sum(axis=-1)
    return total
