"""River's Holt-Winters, for all cells at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from river.time_series import HoltWinters

from tidecast.models.arrays import Arrays, grown
from tidecast.models.covariates import Covariates
from tidecast.models.parts import Parts, either, usual_parts
from tidecast.models.profile import ForecastProfile
from tidecast.models.spread import Spread
from tidecast.state.slabs import Slab
from tidecast.state.window import Window

__all__ = ["HoltWintersExpert", "make_holt_winters"]

Cells = NDArray[np.float64]  # (cell, series)

ALPHA, BETA, GAMMA = 0.1, 0.002, 0.2


def make_holt_winters(seasonality: int) -> Any:
    """Return the River model, additive, with the parameters used for every cell."""
    return HoltWinters(ALPHA, BETA, GAMMA if seasonality else None, seasonality)


class HoltWintersExpert:
    """One Holt-Winters per cell and series, additive, with the shortest season.

    River's model is plain arithmetic on its components, so one model whose components are arrays
    (cell, series) is a model for each of them: the same numbers as one River object per cell, a
    thousand times faster. River's own start is left out (it divides by the mean of the first
    season): a cell starts when it is one season old, from that season's mean and departures from
    it. Until then it answers with what is usual. A bin without a value leaves a cell's
    components as they are. A cell whose components are not finite starts again.
    """

    name = "holt_winters"

    def __init__(self, profile: ForecastProfile) -> None:
        self.resets = 0
        self._horizon = profile.horizon
        self._season = profile.short_season
        self._first_bins = max(2, self._season)
        self._age = np.zeros((0, profile.n_series), np.int64)  # bins since the first value
        self._last_bin = -1
        self._spread = Spread(profile.n_series)
        empty = np.zeros((0, profile.n_series))
        self._put(empty, empty, np.zeros((self._season, 0, profile.n_series)))

    def learn(self, window: Window, slab: Slab, covariates: Covariates) -> None:
        """Move the components of every cell by its value; start those that are old enough."""
        self._grow(len(slab.values))
        self._turn_to(slab.bin)
        expected = self._model.forecast(1)[0]
        self._spread.learn(np.where(self._started, slab.values - expected, np.nan))
        learnable = np.isfinite(slab.values) & self._started
        self._model.learn_one(np.where(learnable, slab.values, expected))
        self._reset_insane(covariates)
        self._age += (self._age > 0) | np.isfinite(slab.values)
        self._start(self._age == self._first_bins, window, covariates)

    def forecast(
        self, window: Window, covariates: Covariates
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return mean and scale, each (series, cell, lead); scale > 0."""
        self._grow(len(covariates.level))
        ahead = np.stack(self._model.forecast(self._horizon))  # (lead, cell, series)
        mean = np.where(self._started, ahead, covariates.usual_ahead).astype(np.float32)
        return mean.transpose(2, 1, 0), self._spread.over_leads(covariates.scale, self._horizon)

    @property
    def _started(self) -> NDArray[np.bool_]:
        return self._age >= self._first_bins

    def _put(self, level: Cells, trend: Cells, seasons: Cells) -> None:
        """Give the model these components; ``seasons`` are (season, cell, series), next first."""
        self._model = make_holt_winters(self._season)
        self._model.level.append(level)
        self._model.trend.append(trend)
        if self._season:
            self._model.season.extend(seasons)
        self._model._initialized = True

    def _components(self) -> tuple[Cells, Cells, Cells]:
        level, trend = self._model.level[-1], self._model.trend[-1]
        seasons = list(self._model.season)[-self._season :] if self._season else []
        return level, trend, np.reshape(seasons, (self._season, *level.shape))

    def _grow(self, n_cells: int) -> None:
        if n_cells > len(self._age):
            level, trend, seasons = self._components()
            self._put(grown(level, n_cells), grown(trend, n_cells), grown(seasons, n_cells, axis=1))
            self._age = grown(self._age, n_cells)

    def _turn_to(self, bin_: int) -> None:
        """Keep the season in step when bins were skipped."""
        skipped = bin_ - self._last_bin - 1 if self._last_bin >= 0 else 0
        self._last_bin = bin_
        if self._season and skipped % self._season:
            level, trend, seasons = self._components()
            self._put(level, trend, np.roll(seasons, -(skipped % self._season), axis=0))

    def _start(self, cells: NDArray[np.bool_], window: Window, covariates: Covariates) -> None:
        """Begin the components of these ``cells`` from the last season in the window."""
        if not cells.any():
            return
        level, trend, seasons = self._components()
        centre, reach = covariates.level[cells], 8.0 * covariates.scale[cells]
        recent = window.values[-self._first_bins :, cells].astype(np.float64)  # (season, started)
        recent = np.clip(
            np.where(np.isfinite(recent), recent, centre), centre - reach, centre + reach
        )
        level[cells], trend[cells] = recent.mean(axis=0), 0.0
        if self._season:
            seasons[:, cells] = recent - level[cells]
        self._put(level, trend, seasons)

    def _reset_insane(self, covariates: Covariates) -> None:
        level, trend, seasons = self._components()
        limit = np.abs(covariates.level) + 1e3 * covariates.scale
        newest = seasons[-1] if self._season else np.zeros_like(level)
        sane = (np.abs(level) <= limit) & (np.abs(trend) <= limit) & (np.abs(newest) <= limit)
        insane = self._started & ~sane
        if insane.any():
            self.resets += int(insane.sum())
            level[insane], trend[insane], seasons[:, insane] = 0.0, 0.0, 0.0
            self._age[insane] = 0
            self._put(level, trend, seasons)

    def explain(self, window: Window, covariates: Covariates, cell: int) -> Parts:
        """See `Expert.explain`: the components; of a cell that has not started, the usual week."""
        n_cells = len(covariates.level)
        level, trend, seasons = self._of(cell, n_cells)
        leads = np.arange(self._horizon)
        season = seasons[leads % self._season] if self._season else 0.0 * leads[:, None] * trend
        components = {
            "level": np.repeat(level[:, None], self._horizon, axis=1),
            "trend": trend[:, None] * (leads + 1.0),
            "season": season.T,
        }
        is_started = grown(self._started, n_cells)[cell]
        return either(is_started, components, usual_parts(covariates, cell))

    def _of(self, cell: int, n_cells: int) -> tuple[Cells, Cells, Cells]:
        """Return the components of a cell: (series,), (series,), (season, series)."""
        level, trend, seasons = self._components()
        level, trend = grown(level, n_cells), grown(trend, n_cells)
        return level[cell], trend[cell], grown(seasons, n_cells, axis=1)[:, cell]

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        level, trend, seasons = self._components()
        return {
            "level": level.copy(),
            "trend": trend.copy(),
            "seasons": seasons,
            "age": self._age.copy(),
            "last_bin": np.array(self._last_bin, np.int64),
            "resets": np.array(self.resets, np.int64),
            **self._spread.snapshot(),
        }

    def restore(self, arrays: Arrays) -> None:
        """Become the expert that ``snapshot`` was taken of."""
        self._season = len(arrays["seasons"])
        self._put(arrays["level"].copy(), arrays["trend"].copy(), arrays["seasons"].copy())
        self._age = arrays["age"].copy()
        self._last_bin = int(arrays["last_bin"])
        self.resets = int(arrays["resets"])
        self._spread.restore(arrays)
