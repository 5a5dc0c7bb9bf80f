"""Worlds for the trees: a window, surroundings and rows of a few cells, from plain values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from tidecast.models.covariates import Covariates
from tidecast.models.periodic.examples import TrainingRows
from tidecast.models.periodic.features import FEATURES, FeatureRows, departures_kept
from tidecast.models.profile import ForecastProfile
from tidecast.models.surroundings import Surroundings
from tidecast.state.bins import HOUR, BinGrid
from tidecast.state.cells import Cell
from tidecast.state.slabs import Slab
from tidecast.state.window import Window

FIRST_BIN = 480_000
HORIZON = 3
Values = NDArray[np.float64]


def tree_profile(
    *season_lengths: int, n_series: int = 1, horizon: int = HORIZON
) -> ForecastProfile:
    series = tuple(f"series {n}" for n in range(n_series))
    return ForecastProfile(series, BinGrid(HOUR), horizon, (0.5,), season_lengths)


class TreeWorld:
    """What stands around the trees; regions lie in a row, those after ``n_placed`` nowhere."""

    def __init__(self, profile: ForecastProfile, n_placed: int = 0) -> None:
        self.profile = profile
        self.window = Window(profile.context_length, profile.n_series)
        self.departures = Window(departures_kept(profile), profile.n_series)
        self._surroundings = Surroundings(profile)
        self._positions = {f"region {n:02}": (50.0 + n, 5.0) for n in range(n_placed)}
        self._bin = FIRST_BIN

    def observe(self, values: Values) -> tuple[Slab, Covariates]:
        cells = [Cell(f"region {n:02}", "all") for n in range(len(values))]
        self.window.append(self._bin, values)
        slab, covariates = self._surroundings.observe(
            Slab(self._bin, values), cells, self._positions
        )
        self.departures.append(self._bin, slab.values - covariates.usual_now)
        self._bin += 1
        return slab, covariates

    def rows(self, slabs: Iterable[Values]) -> Iterator[tuple[Slab, FeatureRows]]:
        for values in slabs:
            slab, covariates = self.observe(values)
            ratio = np.ones(values.shape, np.float32)
            yield slab, FeatureRows(self.window, self.departures, covariates, ratio, self.profile)


def column(rows: FeatureRows, name: str, lead: int) -> list[float]:
    """Return a feature of all rows of a lead, series by series."""
    values: list[float] = rows.table[:, lead - 1, :, FEATURES.index(name)].ravel().tolist()
    return values


def training_rows(n_rows: int = 6000, seed: int = 0) -> TrainingRows:
    """Return rows whose target is twice the first feature, where that is known."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(n_rows, len(FEATURES))).astype(np.float16)
    features[::5, 0] = np.nan
    target = 2.0 * np.nan_to_num(features[:, 0].astype(np.float32), nan=3.0)
    return TrainingRows(
        features,
        target.astype(np.float32),
        weight=np.ones(n_rows, np.float32),
        origin=np.arange(n_rows) // 10,
        lead=np.ones(n_rows, np.int32),
    )


def counts(n_bins: int, levels: Sequence[float], season: int = 6, seed: int = 0) -> list[Values]:
    """Return counts of one series with a season: slabs (cell, 1)."""
    random = np.random.default_rng(seed)
    wave = 1.0 + np.sin(np.arange(n_bins) * 2 * np.pi / season)
    means = wave[:, None] * np.array(levels)
    return list(random.poisson(means).astype(np.float64)[:, :, None])
