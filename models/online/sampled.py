"""River's regressors of single rows, on a sample of cells."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays
from tidecast.models.covariates import Covariates
from tidecast.models.online.features import FeatureTable
from tidecast.models.online.river_rows import ReplayedRegressor
from tidecast.models.online.standard import CLIP, departures, means_of
from tidecast.models.parts import Parts, scaled, usual_parts
from tidecast.models.profile import RECENT, ForecastProfile
from tidecast.models.spread import Spread
from tidecast.state.scopes import nested, scoped
from tidecast.state.slabs import Slab
from tidecast.state.window import Window

__all__ = ["SampledExpert"]

GENERATION = 168
"""Bins after which a younger model, which began as many bins ago, takes over."""

KEPT_PER_BIN = 0.99
PRIOR_ROWS = 5.0
"""Rows, of departures of one unit, of which nothing came true: trust is to be earned."""

LEAST_SHARE, MOST_SHARE = 0.04, 4.0
"""What is usual of a bin counts for at least and at most so much of its cell's level."""

N_FEATURES = 9
"""Those of `FeatureTable` but the waves, and the lead."""


class SampledExpert:
    """A River regressor of departures from the usual week, one per series, the lead a feature.

    River learns and predicts row by row, which is slow. So there is a budget of rows a bin and
    series, which no clock decides: the first cells are forecast, as many as are worth
    ``rows_asked`` predictions, and the expert sleeps for the others (NaN); ``rows_learnt`` pairs of
    cell and lead are learnt, drawn anew by the number of the bin.

    A departure is in units of the cell, its scale times the root of what is usual of the bin over
    its level: counts vary less at night. It is clipped, and what is said is a mean of such, so that
    nothing diverges; it counts for as much as came true of what was said lately. A model is at most
    two generations old: what a burst has done to it is forgotten then.
    """

    name: str
    rows_asked: int
    rows_learnt: int

    def __init__(self, profile: ForecastProfile) -> None:
        self.resets = 0
        self._horizon = profile.horizon
        self._season = profile.short_season
        self._n_cells = max(1, self.rows_asked // profile.horizon)
        most_rows = 2 * GENERATION * self.rows_learnt
        self._models = [ReplayedRegressor(self.make, N_FEATURES, most_rows) for _ in profile.series]
        lags = self._horizon + max(RECENT, self._season + self._horizon)
        self._departures = Window(lags, profile.n_series)
        self._spread = Spread(profile.n_series)
        self._came_true = np.zeros((2, profile.n_series))  # said x came, said x said

    @staticmethod
    def make() -> Any:
        """Return a River regressor that has learnt nothing."""
        raise NotImplementedError

    def learn(self, window: Window, slab: Slab, covariates: Covariates) -> None:
        """Learn some pairs of (features at origin t - lead, departure at t)."""
        self._grow_old(self._departures.last_bin, slab.bin)
        slab, covariates = self._sample(slab, covariates)
        self._departures.append(slab.bin, slab.values - covariates.usual_now)
        came = departures(slab, covariates)
        self._spread.learn(came * covariates.scale)
        came = np.clip(came / _share(covariates.usual_now, covariates), -CLIP, CLIP)
        matrix = self._features(covariates, range(1, self._horizon + 1), covariates.usual_now[None])
        for series, target in enumerate(came.T):
            leads, cells = self._drawn(slab.bin, np.flatnonzero(np.isfinite(target)))
            self._learn_rows(series, matrix[leads, :, series, cells], target[cells])

    def _grow_old(self, last: int | None, bin_: int) -> None:
        """Let younger models take over at the turn of a generation."""
        turns = 0 if last is None else bin_ // GENERATION - last // GENERATION
        for _ in range(min(turns, 2)):
            for model in self._models:
                model.take_over()

    def _learn_rows(
        self, series: int, rows: NDArray[np.float64], target: NDArray[np.float64]
    ) -> None:
        model = self._models[series]
        said = model.predict(rows)
        added = np.array([(said * target).sum(), (said * said).sum()])
        self._came_true[:, series] = KEPT_PER_BIN * self._came_true[:, series] + added
        model.learn(rows, target)

    @property
    def _trust(self) -> NDArray[np.float64]:
        """How much of a departure said comes true, in [0, 1]: (series,)."""
        agreed, said = self._came_true
        return np.clip(agreed / (said + PRIOR_ROWS), 0.0, 1.0)

    def forecast(
        self, window: Window, covariates: Covariates
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return mean and scale, each (series, cell, lead), NaN where it sleeps; scale > 0."""
        shape = (len(self._models), len(covariates.level), self._horizon)
        mean, scale = np.full((2, *shape), np.nan, np.float32)
        _, sample = self._sample(Slab(covariates.bin, covariates.level), covariates)
        said = self._predict(self._features(sample, range(1), sample.usual_ahead))
        awake = np.s_[:, : len(sample.level)]
        mean[awake] = means_of(said * _share(sample.usual_ahead, sample), sample)
        scale[awake] = self._spread.over_leads(sample.scale, self._horizon)
        return mean, scale

    def explain(self, window: Window, covariates: Covariates, cell: int) -> Parts:
        """See `Expert.explain`: the usual week; what River adds to it has no parts."""
        usual = usual_parts(covariates, cell)
        if cell >= self._n_cells:  # it sleeps there
            return scaled(usual, np.nan)
        if cell >= self._departures.n_cells:  # nothing was learnt yet
            return usual
        mean = self.forecast(window, covariates)[0][:, cell]
        return {**usual, "rest": mean - usual["level"] - usual["season"]}

    def _sample(self, slab: Slab, covariates: Covariates) -> tuple[Slab, Covariates]:
        """Return the same of the cells that it is asked for."""
        n = self._n_cells
        near = covariates.neighbours[:n]
        return replace(slab, values=slab.values[:n]), replace(
            covariates,
            neighbours=np.where(near < n, near, -1),
            level=covariates.level[:n],
            scale=covariates.scale[:n],
            usual_now=covariates.usual_now[:n],
            usual_ahead=covariates.usual_ahead[:, :n],
        )

    def _features(
        self, covariates: Covariates, origins: range, usual: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Return the features of all leads: (lead, feature, series, cell)."""
        leads = range(1, self._horizon + 1)
        table = FeatureTable(self._departures, covariates, self._season, origins, leads)
        matrix = table.matrix(slice(None), usual)[:N_FEATURES]
        matrix[-1] = np.array(leads)[:, None, None]
        return matrix.transpose(1, 0, 2, 3)

    def _predict(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return departures, (lead, cell, series), of features (lead, feature, series, cell)."""
        n_leads, n_features, n_series, n_cells = matrix.shape
        rows = matrix.transpose(2, 0, 3, 1).reshape(n_series, n_leads * n_cells, n_features)
        said = [model.predict(of) for model, of in zip(self._models, rows, strict=True)]
        departed = np.reshape(said, (n_series, n_leads, n_cells)).transpose(1, 2, 0)
        return np.asarray(self._trust * departed)

    def _drawn(
        self, bin_: int, cells: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the leads, from 0, and cells of the pairs to learn in a bin."""
        if not len(cells):
            return cells, cells
        chance = np.random.default_rng(bin_)
        leads = chance.integers(self._horizon, size=self.rows_learnt)
        return leads, chance.choice(cells, size=self.rows_learnt)

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        models = [model.snapshot() for model in self._models]
        return {
            "rows": np.stack([model["rows"] for model in models]),
            "learnt": np.stack([model["learnt"] for model in models]),
            "came_true": self._came_true.copy(),
            **nested({"departures": self._departures.snapshot()}),
            **self._spread.snapshot(),
        }

    def restore(self, arrays: Arrays) -> None:
        """Become the expert that ``snapshot`` was taken of."""
        for series, model in enumerate(self._models):
            model.restore({name: arrays[name][series] for name in ("rows", "learnt")})
        self._came_true = arrays["came_true"].copy()
        self._departures.restore(scoped(arrays, "departures"))
        self._spread.restore(arrays)


def _share(usual: NDArray[np.float32], covariates: Covariates) -> NDArray[np.float64]:
    """Return the unit of departures, in scales, where so much is ``usual``, (..., cell, series)."""
    level = np.fmax(covariates.level, 1e-12)
    return np.asarray(np.sqrt(np.clip(usual / level, LEAST_SHARE, MOST_SHARE)))
