"""TSB: sparse demand as a chance of any, times its usual size, in the rhythm of all cells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Part, grown
from tidecast.models.covariates import Calendar, Covariates
from tidecast.models.online.adapted import weight_level
from tidecast.models.online.intermittent import Intermittent
from tidecast.models.online.trust import Trust
from tidecast.models.parts import Parts, either, usual_parts
from tidecast.models.profile import ForecastProfile
from tidecast.state.slabs import Slab
from tidecast.state.window import Window

__all__ = ["TSB"]

Cells = NDArray[np.float64]  # (cell, series)
Series = NDArray[np.float64]  # (bin, series)

CHANCE_RATE, SIZE_RATE = 0.05, 0.05
"""Weights of the newest bin, and of the newest demand; a young cell takes plain means."""

LARGEST_RHYTHM = 24.0
"""Times its level that a series is usually at most, where all of a day falls into an hour."""


class TSB(Intermittent):
    """The method of Teunter, Syntetos and Babai, for every cell and series at once.

    The chance of any demand moves in every bin, the size of a demand with each demand: so a cell
    where nothing is sold any more fades, which Croston's method cannot tell. A bin without a value
    moves nothing. The forecast is chance x size, a plain level, times the rhythm of the series:
    what all its cells together are usually at the target, over their level, for a sparse cell tells
    little of its own. Of the rhythm counts as much as lately came true; a flow that has none is
    forecast by its level alone. A cell younger than the shortest season, of which no mean tells the
    level, is forecast as is usual.

    References
    ----------
    Teunter, Syntetos and Babai (2011), Intermittent demand: linking forecasting to inventory
    obsolescence.
    """

    name = "tsb"

    def __init__(self, profile: ForecastProfile) -> None:
        super().__init__(profile, ("chance", "size", "bins", "demands"))
        self._young = profile.shortest_season
        self._trust = Trust(profile.n_series, 1, Calendar(profile.grid).bins_per_slot)

    def learn(self, window: Window, slab: Slab, covariates: Covariates) -> None:
        """Move the chance by whether there was demand, and its size by how much."""
        self._grow(len(slab.values))
        state, values = self._state, np.nan_to_num(slab.values)
        known, sold = np.isfinite(slab.values), values > 0.0
        rhythm = _rhythm(covariates.usual_now[None], covariates.level)
        self._spread.learn(slab.values - self._mean * self._trusted(rhythm)[0])
        self._judge(rhythm, values, known / weight_level(covariates.level))
        state["bins"] = state["bins"] + known
        rate = np.maximum(CHANCE_RATE, 1.0 / np.fmax(state["bins"], 1.0))
        state["chance"] = state["chance"] + np.where(known, rate * (sold - state["chance"]), 0.0)
        state["demands"] = state["demands"] + sold
        rate = np.maximum(SIZE_RATE, 1.0 / np.fmax(state["demands"], 1.0))
        state["size"] = state["size"] + np.where(sold, rate * (values - state["size"]), 0.0)

    def forecast(
        self, window: Window, covariates: Covariates
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return mean and scale, each (series, cell, lead); scale > 0."""
        self._grow(len(covariates.level))
        rhythm = self._ahead(covariates)
        mean = self._mean.T[:, :, None] * rhythm.T[:, None]  # (series, cell, lead)
        young = (self._state["bins"] < self._young).T[:, :, None]
        mean = np.where(young, covariates.usual_ahead.transpose(2, 1, 0), mean)
        return mean.astype(np.float32), self._spread.over_leads(covariates.scale, self._horizon)

    def _judge(self, rhythm: Series, values: Cells, weight: Cells) -> None:
        """Learn how much of the rhythm of a bin, (1, series), came true of its values."""
        level = self._mean[None]
        came, nothing = values - level, np.zeros_like(level)
        self._trust.learn(slice(0, 1), level * (rhythm[:, None] - 1.0), came, nothing, weight)

    def _ahead(self, covariates: Covariates) -> Series:
        """Return by what levels are multiplied at the bins ahead: (lead, series)."""
        return self._trusted(_rhythm(covariates.usual_ahead, covariates.level))

    def _trusted(self, rhythm: Series) -> Series:
        """Return as much of a rhythm, (bin, series), as comes true."""
        trusted: Series = 1.0 + self._trust.of(slice(0, 1)) * (rhythm - 1.0)
        return trusted

    @property
    def _mean(self) -> Cells:
        mean: Cells = self._state["chance"] * self._state["size"]
        return mean  # (cell, series)

    def explain(self, window: Window, covariates: Covariates, cell: int) -> Parts:
        """See `Expert.explain`: the level is chance x size, the season its rhythm beside that."""
        n_cells = len(covariates.level)
        level = grown(self._mean, n_cells)[cell][:, None]
        rhythm = self._ahead(covariates).T  # (series, lead)
        own = {"level": np.broadcast_to(level, rhythm.shape), "season": level * (rhythm - 1.0)}
        is_young = grown(self._state["bins"], n_cells)[cell] < self._young
        return either(is_young, usual_parts(covariates, cell), own)

    def _members(self) -> dict[str, Part]:
        return {**super()._members(), "trust": self._trust}


def _rhythm(usual: NDArray[np.float32], level: Cells) -> Series:
    """Return the usual of all cells, over their level: (bin, series), of (bin, cell, series)."""
    total = np.fmax(level.sum(axis=0), 1e-9)
    rhythm: Series = usual.sum(axis=1, dtype=np.float64) / total
    return np.clip(rhythm, 0.0, LARGEST_RHYTHM)
