"""Features of the trees: one row per (series, lead, cell), of what is known at the origin."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tidecast.models.covariates import Covariates
from tidecast.models.profile import RECENT, ForecastProfile
from tidecast.state.window import Window

__all__ = ["CLIP", "FEATURES", "FeatureRows", "departures_kept"]

Cells = NDArray[np.float32]  # (series, cell)

CLIP = 60.0
"""What is beyond this many units is taken for this: float16 holds it, no split needs more."""

SEASONS_BACK = 7
"""Short seasons of which departures are averaged: the days of a week."""

OF_ORIGIN = (
    *("departure", "departure_mean_4", "departure_mean_12"),
    *("departure_mean_season", "departure_mean_2_seasons"),
    *("value", "near", "total", "total_mean_4", "total_mean_12"),
    *("size", "scale"),
)
"""Features that all leads share."""

OF_TARGET = (
    *("usual", "usual_rise"),
    *("season_short", "season_short_2", "season_long", "season_long_before", "season_long_after"),
    *("departure_season", "departure_season_mean_3", "departure_season_mean_7", "total_season"),
    *("time_of_day", "day_of_week", "lead"),
)
"""Features of one lead."""

FEATURES = OF_ORIGIN + OF_TARGET
"""Names of the features, in the order of the columns."""


def departures_kept(profile: ForecastProfile) -> int:
    """Return the bins of departures that the features look back over."""
    return max(RECENT, SEASONS_BACK * profile.short_season) + 1


class FeatureRows:
    """Rows of features from one origin, the newest bin of the window, for as long as it is that.

    Values are in units of their cell, ``(value - level) / unit``; departures, what a value was
    above the usual at its time, are divided by the unit. The unit of a cell is the root of its
    level, as counts spread, times the root of the series' dispersion: neither the size of a cell
    nor what a series is measured in matters. What is not known is NaN.

    Parameters
    ----------
    departures
        A window of departures from the usual week, of ``departures_kept`` bins.
    ratio
        What the usual week is multiplied by at the level of late, (cell, series).
    """

    def __init__(
        self,
        window: Window,
        departures: Window,
        covariates: Covariates,
        ratio: NDArray[np.float32],
        profile: ForecastProfile,
    ) -> None:
        self.origin = covariates.bin
        self.unit = _unit(covariates.level, covariates.scale).T.astype(np.float32)
        self.usual = (ratio * covariates.usual_ahead).transpose(0, 2, 1)  # (lead, series, cell)
        self._usual_now = (ratio * covariates.usual_now).T
        self._level = covariates.level.T.astype(np.float32)
        self._window = window
        self._departures = departures
        self._covariates = covariates
        self._seasons = profile.season_lengths
        self._short = profile.short_season

    def are_of(self, covariates: Covariates) -> bool:
        """Tell whether the rows were made with these very covariates."""
        return self._covariates is covariates

    @property
    def settled(self) -> NDArray[np.bool_]:
        """Cells that are older than a short season, (series, cell): their units can be trusted."""
        young = self._short or RECENT
        known = np.isfinite(self._departures.values[:-young])
        return np.asarray(known.any(axis=0)).T

    @cached_property
    def table(self) -> NDArray[np.float32]:
        """All rows: (series, lead, cell, feature)."""
        n_leads, n_shared = len(self.usual), len(OF_ORIGIN)
        n_series, n_cells = self.unit.shape
        table = np.empty((n_series, n_leads, n_cells, len(FEATURES)), np.float32)
        _fill(table[:, 0, :, :n_shared], self._of_origin())
        table[:, 1:, :, :n_shared] = table[:, :1, :, :n_shared]
        for lead in range(1, n_leads + 1):
            _fill(table[:, lead - 1, :, n_shared:], self._of_target(lead))
        return np.clip(table, -CLIP, CLIP, out=table)

    def _of_origin(self) -> list[Cells | float]:
        recent = [self._departure(back) for back in range(RECENT)]
        four = _mean(recent[:4])
        total = np.stack([self._total(departure) for departure in recent])  # (back, series, 1)
        return [
            recent[0],
            four,
            _mean(recent),
            self._mean_over(self._short),
            self._mean_over(2 * self._short),
            self._value(0),
            self._near(four),
            total[0],
            total[:4].mean(axis=0),
            total.mean(axis=0),
            self._level / self.unit,
            self._covariates.scale.T.astype(np.float32) / self.unit,
        ]

    def _of_target(self, lead: int) -> list[Cells | float]:
        usual = self.usual[lead - 1]
        local = self._covariates.calendar.grid.local(self.origin + lead)
        return [
            (usual - self._level) / self.unit,
            (usual - self._usual_now) / self.unit,
            self._season_value(0, lead),
            self._season_value(0, lead, later=-self._short),
            self._season_value(1, lead),
            self._season_value(1, lead, later=-1),
            self._season_value(1, lead, later=1),
            *self._season_departures(lead),
            local.hour + local.minute / 60.0,
            float(local.weekday()),
            float(lead),
        ]

    def _departure(self, back: int) -> Cells:
        return self._departures.lag(back).T / self.unit

    def _value(self, back: int) -> Cells:
        return (self._window.lag(back).T - self._level) / self.unit

    def _season_value(self, which: int, lead: int, later: int = 0) -> Cells | float:
        """Return the value whole seasons before the target, or ``later`` than that by bins."""
        if which >= len(self._seasons):
            return np.nan
        back = _whole_seasons_back(self._seasons[which], lead) - later
        return self._value(back) if back >= 0 else np.nan

    def _season_departures(self, lead: int) -> list[Cells | float]:
        """Return departures short seasons before the target: of the last, means, of all cells."""
        if not self._short:
            return [np.nan] * 4
        first = _whole_seasons_back(self._short, lead)
        past = [self._departure(first + n * self._short) for n in range(SEASONS_BACK)]
        return [past[0], _mean(past[:3]), _mean(past), self._total(past[0])]

    def _mean_over(self, bins: int) -> Cells | float:
        """Return the mean of the known departures of the last ``bins``; 0 where there are none."""
        if not bins:
            return np.nan
        kept = self._departures.values[-bins:]  # (context, cell, series)
        known = np.isfinite(kept)
        total = np.add.reduce(kept, axis=0, where=known, dtype=np.float32)
        mean: Cells = (total / np.maximum(known.sum(axis=0), 1)).T / self.unit
        return mean

    def _near(self, departures: Cells) -> Cells:
        """Return the mean over the neighbours of each cell; NaN where it has none."""
        near = self._covariates.neighbours
        if not near.size:
            return np.full_like(departures, np.nan)
        return _mean([np.where(n >= 0, departures[:, n], np.float32(np.nan)) for n in near.T])

    def _total(self, departures: Cells) -> Cells:
        """Return the departure of all cells together, in their mean unit: (series, 1)."""
        known = np.isfinite(departures)
        departed = np.where(known, departures * self.unit, np.float32(0.0)).sum(axis=1)
        size = np.where(known, self.unit, np.float32(0.0)).sum(axis=1)
        total: Cells = (departed / np.maximum(size, np.float32(1e-30)))[:, None]
        return total


def _whole_seasons_back(season: int, lead: int) -> int:
    """Return how many bins before the origin the last known bin of the target's season lies."""
    return season * -(-lead // season) - lead


def _unit(level: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the unit of each cell, (cell, series), > 0."""
    size = np.abs(level)
    floor = 0.01 * size.mean(axis=0) if len(size) else 0.0
    size = size + floor + 1e-12
    dispersion = (scale**2).sum(axis=0) / np.maximum(size.sum(axis=0), 1e-12)
    unit: NDArray[np.float64] = np.sqrt(dispersion * size) + 1e-12
    return unit


def _mean(parts: Sequence[Cells]) -> Cells:
    """Return the mean of what is known; NaN where nothing is."""
    total, count = np.zeros_like(parts[0]), np.zeros_like(parts[0])
    for part in parts:
        known = np.isfinite(part)
        np.add(total, part, out=total, where=known)
        count += known
    count[count == 0] = np.nan
    mean: Cells = total / count
    return mean


def _fill(table: NDArray[np.float32], columns: Sequence[Cells | float]) -> None:
    """Write columns, each (series, cell) or broadcast to it, into (series, cell, column)."""
    for place, column in enumerate(columns):
        table[:, :, place] = column
