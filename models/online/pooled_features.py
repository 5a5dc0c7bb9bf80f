"""Features of the pooled least squares: counts and departures from the adapted week."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays, nested, scoped
from tidecast.models.covariates import Covariates
from tidecast.models.neighbours import over_neighbours
from tidecast.models.online.adapted import AdaptedWeek
from tidecast.models.parts import of_features
from tidecast.models.profile import ForecastProfile
from tidecast.state.window import Window

__all__ = ["PooledFeatures"]

Values = NDArray[np.float32]
Cells = NDArray[np.float32]  # (cell, series)

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


class PooledFeatures:
    """Features of cells for any late origin and lead, and what they are made of.

    All are in the series' own unit. The features of a pair (origin, lead) read no value after the
    origin, and are 0 where something is missing: lags of a season are differences from what is
    expected of the target. ``names`` are in the order of the features, and so are the ``parts`` of
    a forecast that these speak of.
    """

    def __init__(self, profile: ForecastProfile) -> None:
        seasons = profile.season_lengths or (24,)
        shortest, longest = seasons[0], seasons[-1]
        self.week = AdaptedWeek(profile.n_series, shortest, min(max(longest, 50), 2000))
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

    def look(self, window: Window, covariates: Covariates) -> FeatureLook:
        """Return the features as they are at the end of the newest bin."""
        return FeatureLook(self, window, covariates)

    def kept(self, lag: int) -> Values:
        """Return what is kept of the bin ``lag`` before the newest: (kept, cell, series), finite.

        The first axis is that of ``KEPT``.
        """
        return np.nan_to_num(np.stack([window.lag(lag) for window in self._kept.values()]))

    def told(self, lag: int) -> Values:
        """Return what covariates told at the end of the bin ``lag`` before the newest.

        It is (covariate, cell), finite.
        """
        return np.nan_to_num(self._told.lag(lag).T)

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

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        kept = nested({name: window.snapshot() for name, window in self._kept.items()})
        told = self._told.snapshot()
        return nested({"week": self.week.snapshot(), "kept": kept, "told": told})

    def restore(self, arrays: Arrays) -> None:
        """Become what ``snapshot`` was taken of."""
        self.week.restore(scoped(arrays, "week"))
        for name, window in self._kept.items():
            window.restore(scoped(arrays, f"kept/{name}"))
        self._told.restore(scoped(arrays, "told"))


class FeatureLook:
    """One look at the features: of any late origin, lead and choice of cells, for one bin only."""

    def __init__(self, of: PooledFeatures, window: Window, covariates: Covariates) -> None:
        self._of = of
        self._window = window
        self._level = np.abs(covariates.level).astype(np.float32)  # (cell, series)
        self._ceiling = (covariates.level + 8.0 * covariates.scale).astype(np.float32)
        mean = self._level.mean(axis=0) if len(self._level) else np.zeros(self._level.shape[1:])
        self._one = np.broadcast_to(mean, self._level.shape)
        self._root = np.sqrt(self._level * self._one)
        self._seasonal: dict[int, Cells] = {}
        self._kept: dict[int, Values] = {}
        self._since: dict[int, Values] = {}
        self._total: dict[int, Values] = {}

    def shift(self, origin: int, usual: NDArray[np.float32]) -> Cells:
        """Return what the ratio, at an origin so many bins ago, adds to a usual: (cell, series)."""
        shift: Cells = usual * self._at(origin)[RATIO]
        return shift

    def matrix(self, origin: int, lead: int, expected: Cells, cells: slice) -> Values:
        """Return the features of ``cells`` for a pair (origin, lead): (feature, cell, series).

        ``origin`` counts bins back from the newest; ``expected``, of all cells, is what
        is expected of the target.
        """
        target = expected[cells]
        matrix = np.zeros((len(self._of.names), *target.shape), np.float32)
        matrix[0] = target
        matrix[1] = target * self._at(origin)[RECENTLY, cells]
        for lag in range(RECENT):
            matrix[2 + lag] = self._at(origin + lag)[EXPECTED, cells] - target
        place = 2 + RECENT
        for total in self._totals(origin, lead, expected):
            matrix[place] = target * total
            place += 1
        for lag in self._of.lags:
            if lag >= lead:  # else it lies after the origin
                np.subtract(self._lag(lag + origin - lead)[cells], target, out=matrix[place])
            place += 1
        seasonal = matrix[2 + RECENT : place]
        seasonal[np.isnan(seasonal)] = 0.0
        end = place + len(SINCE_ORIGIN)
        matrix[place:end] = self._since_origin(origin)[:, cells]
        matrix[end:] = self._of.told(origin)[:, cells, None] * target
        return matrix

    def _at(self, origin: int) -> Values:
        """Return what was kept of the bin of an origin: (kept, cell, series), finite."""
        if origin not in self._kept:
            self._kept[origin] = self._of.kept(origin)
        return self._kept[origin]

    def _lag(self, lag: int) -> Cells:
        """Return an earlier bin's values, no larger than is sane, NaN = missing."""
        if lag not in self._seasonal:
            self._seasonal[lag] = np.minimum(self._window.lag(lag), self._ceiling)
        return self._seasonal[lag]

    def _since_origin(self, origin: int) -> Values:
        """Return the features that do not depend on the target: (feature, cell, series)."""
        if origin not in self._since:
            kept = self._at(origin)
            lags = [self._at(origin + lag)[DEPARTURE] for lag in range(RECENT)]
            fixed = [self._level, self._root, self._one]
            self._since[origin] = np.stack([*fixed, *lags, kept[DRIFT], kept[NEAR]])
        return self._since[origin]

    def _totals(self, origin: int, lead: int, expected: Cells) -> list[Values | float]:
        """Return how the series' totals went against what is expected, less 1: each (series,)."""
        if origin not in self._total:
            kept = self._at(origin)
            self._total[origin] = _share(kept[DEPARTURE], kept[EXPECTED])
        totals: list[Values | float] = [self._total[origin]]
        for lag in self._of.wholes:
            if lag < lead:
                totals.append(0.0)
                continue
            away = self._lag(lag + origin - lead) - expected
            away[np.isnan(away)] = 0.0
            totals.append(_share(away, expected))
        return totals


def _share(part: Cells, whole: Cells) -> Values:
    """Return the quotient of the sums over cells, within reason: (series,)."""
    share = _total(part) / np.fmax(_total(whole), np.float32(1e-9))
    clipped: Values = np.clip(share, LEAST_TOTAL, LARGEST_TOTAL).astype(np.float32)
    return clipped


def _total(values: Cells) -> Values:
    """Return the sums over cells, (series,): of the same bits however many series there are."""
    total: Values = np.ascontiguousarray(values.T).sum(axis=-1)
    return total
