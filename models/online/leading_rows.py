"""Rows of the regressions of leading streams: how cells depart from the usual week."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Part, Stateful
from tidecast.models.covariates import Covariates
from tidecast.models.online.adapted import CLIP, AdaptedWeek, weight_level
from tidecast.models.online.leading_columns import Columns
from tidecast.models.profile import ForecastProfile
from tidecast.state.window import Window

__all__ = ["LeadingRows"]

Values = NDArray[np.float32]
Cells = NDArray[np.float64]  # (cell, series)
Rows = NDArray[np.float64]  # (series, column, row)

EVENTS = 0.25
"""What is usual of a cell, in units of its dispersion, that its own departure needs to count for
half: that of all cells counts for the rest."""

LARGEST = 5.0
"""Departures of more times the usual are taken for this."""

LEAST_DEVIATION = 0.03
"""Of the level: steadier cells count no more."""

LEAST_USUAL = 0.05
"""Of the level: where less is usual, noise is no smaller."""

TOTAL_KEPT = 0.5
"""How much of what went for all cells together goes on to the next bin."""


class LeadingRows(Stateful):
    """Departures of late of all series from the usual week, and rows made of them.

    A departure is a value less what was usual, over that. A row is a cell at a bin. Its target is
    what came less the usual; columns are departures times the usual of the target, for a tenth more
    clicks are a tenth more orders, whatever the conversion. All are in units of the noise that the
    cell has at such a usual, so that rows of large and small cells, of days and nights, are alike.
    """

    def __init__(self, profile: ForecastProfile) -> None:
        self._columns = columns = Columns.of(profile)
        self._week = AdaptedWeek(profile.n_series, profile.shortest_season or 24, profile.memory)
        self._departures = Window(columns.n_lags + 1, profile.n_series)
        self._ratio = Window(columns.n_leads + 1, profile.n_series)
        self._total = Window(columns.n_leads + 1, profile.n_series)  # one cell: all together

    def learn(self, bin_: int, values: Cells, covariates: Covariates) -> Cells:
        """Take in the values of a bin, (cell, series), fit to learn from; NaN = none.

        Return how they departed from the adapted week.
        """
        _, departure = self._week.learn(values, covariates)
        usual, reach = covariates.usual_now.astype(np.float64), CLIP * self._week.deviation
        away = np.clip(values - usual, -reach, reach)
        total = _of_all(away, usual)
        prior = EVENTS * self._dispersion(covariates)
        relative = (away + prior * total) / (np.fmax(usual, 0.0) + prior)
        self._departures.append(bin_, np.clip(relative, -1.0, LARGEST))
        self._ratio.append(bin_, self._week.ratio - 1.0)
        kept = np.nan_to_num(self._total.lag(0)) if self._total.n_cells else 0.0
        self._total.append(bin_, TOTAL_KEPT * (kept + total[None]))
        return departure

    def of_newest(self, window: Window, covariates: Covariates, part: slice, young: int) -> Rows:
        """Return the rows of the newest bin for a part of the cells.

        Cells that departed fewer than ``young`` times, and missing targets, are rows of zeros.
        """
        columns, usual = self._columns, covariates.usual_now[part].T.astype(np.float64)
        noise = self._noise(covariates)[part].T
        came = window.lag(0)[part].T
        seen = self._week.seen[part].T
        is_told = np.isfinite(came) & (seen >= young)  # (series, row)
        size = np.where(is_told, usual / noise, 0.0)[:, None]
        rows = np.zeros((columns.n_series, columns.width, usual.shape[1]))
        lags = _since(self._departures, 1, columns.n_lags)[part]
        rows[:, columns.lags] = lags.reshape(len(lags), columns.lags.stop - 1).T * size
        ratio = _since(self._ratio, 1, columns.n_leads)[part]
        rows[:, columns.ratio] = ratio.transpose(1, 2, 0) * size
        total = _since(self._total, 1, columns.n_leads)
        rows[:, columns.total] = total.transpose(1, 2, 0) * size
        before = [window.lag(season)[part].T for season in columns.seasons]
        for place, value in enumerate([*before, came], columns.season.start):
            away = np.clip((value - usual) / noise, -CLIP, CLIP)
            rows[:, place] = np.where(is_told, np.nan_to_num(away), 0.0)
        return rows

    @property
    def departures(self) -> Values:
        """The newest departures of all series, newest first: (cell, series, lag), finite."""
        return _since(self._departures, 0, self._columns.n_lags)

    @property
    def ratio(self) -> Values:
        """The ratio of the adapted week to the usual one, less 1: (cell, series)."""
        return np.nan_to_num(self._ratio.lag(0))

    @property
    def total(self) -> Values:
        """How all cells together went of late: (series,)."""
        return np.asarray(np.nan_to_num(self._total.lag(0))[0])

    def _noise(self, covariates: Covariates) -> Cells:
        """Return the deviation of what comes from the usual, (cell, series), > 0."""
        usual = np.fmax(covariates.usual_now, LEAST_USUAL * weight_level(covariates.level))
        return np.sqrt(self._dispersion(covariates) * usual)

    def _dispersion(self, covariates: Covariates) -> Cells:
        level = weight_level(covariates.level)
        dispersion: Cells = np.fmax(self._week.deviation, LEAST_DEVIATION * level) ** 2 / level
        return dispersion

    def _members(self) -> dict[str, Part]:
        return {
            "week": self._week,
            "departures": self._departures,
            "ratio": self._ratio,
            "total": self._total,
        }


def _of_all(away: Cells, usual: Cells) -> NDArray[np.float64]:
    """Return the departure of all cells together from their usual: (series,)."""
    is_known = np.isfinite(away)
    total = np.where(is_known, away, 0.0).sum(axis=0)
    whole = np.where(is_known, usual, 0.0).sum(axis=0)
    return np.asarray(np.clip(total / np.fmax(whole, 1e-9), -1.0, LARGEST))


def _since(window: Window, back: int, n_lags: int) -> Values:
    """Return what a window holds from ``back`` bins ago, newest first: (cell, series, lag)."""
    end = window.context_length - back
    kept = window.values[end - n_lags : end][::-1]
    return np.nan_to_num(kept.transpose(1, 2, 0))
