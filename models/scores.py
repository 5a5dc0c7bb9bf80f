"""Scores: how far off the forecasts of one bin were, by expert, series and lead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidecast.models.profile import ForecastProfile

__all__ = ["BLEND", "ScoreSheet", "Scores"]

BLEND = "tidecast"
"""The name under which the blend is scored, beside the experts."""


@dataclass(frozen=True)
class Scores:
    """Sums over cells for one bin; NaN actuals are left out.

    Arrays are (expert, series, lead), the blend first. ``abs_error`` is of the median for the
    blend and of the mean for experts, ``squared_error`` of the mean for all; ``actual`` sums
    absolute actuals; ``pinball`` is the mean over levels, NaN for experts. ``covered``, (interval,
    series, lead), counts the actuals inside the blend's central ``intervals``. A lead without any
    forecast of this bin has n = 0. A ``revision`` above 0 replaces the scores of the bin: its
    actuals were corrected.
    """

    bin: int
    experts: tuple[str, ...]
    intervals: tuple[float, ...]
    n: NDArray[np.int64]
    abs_error: NDArray[np.float64]
    squared_error: NDArray[np.float64]
    actual: NDArray[np.float64]
    pinball: NDArray[np.float64]
    covered: NDArray[np.int64]
    revision: int = 0


class ScoreSheet:
    """The scores of one bin while they are filled in, some leads at a time."""

    def __init__(self, bin_: int, profile: ForecastProfile, revision: int = 0) -> None:
        experts = (BLEND, *profile.experts)
        shape = (len(experts), profile.n_series, profile.horizon)
        self._profile = profile
        self._levels = np.array(profile.quantile_levels)
        self._median = profile.quantile_levels.index(0.5)
        self.scores = Scores(
            bin=bin_,
            experts=experts,
            intervals=profile.intervals,
            n=np.zeros(shape, np.int64),
            abs_error=np.zeros(shape),
            squared_error=np.zeros(shape),
            actual=np.zeros(shape),
            pinball=np.full(shape, np.nan),
            covered=np.zeros((len(profile.intervals), *shape[1:]), np.int64),
            revision=revision,
        )
        self.scores.pinball[0] = 0.0

    def fill(
        self,
        leads: NDArray[np.int64],
        actual: NDArray[np.float64],
        means: NDArray[np.float32],
        quantiles: NDArray[np.float32],
    ) -> None:
        """Score some leads.

        ``actual`` is (series, cell); ``means`` (lead, 1 + expert, series, cell), the blend's first;
        ``quantiles``, the blend's, (lead, series, cell, level). An expert that said nothing of a
        cell (NaN) is not scored there.
        """
        places, scores = leads - 1, self.scores
        errors = means - actual
        known = np.isfinite(errors)
        errors = np.where(known, errors, 0.0)
        scores.squared_error[..., places] = _over_cells(errors**2)
        errors[:, 0] = np.where(known[:, 0], quantiles[..., self._median] - actual, 0.0)
        scores.n[..., places] = _over_cells(known)
        scores.abs_error[..., places] = _over_cells(np.abs(errors))
        scores.actual[..., places] = _over_cells(np.where(known, np.abs(actual), 0.0))
        self._fill_quantiles(places, actual, quantiles)

    def _fill_quantiles(
        self, places: NDArray[np.int64], actual: NDArray[np.float64], quantiles: NDArray[np.float32]
    ) -> None:
        short = actual[..., None] - quantiles  # (lead, series, cell, level)
        loss = np.maximum(self._levels * short, (self._levels - 1.0) * short).mean(axis=-1)
        self.scores.pinball[0][:, places] = _over_cells(np.nan_to_num(loss))
        for interval, (low, high) in enumerate(self._profile.interval_levels):
            inside = (quantiles[..., low] <= actual) & (actual <= quantiles[..., high])
            self.scores.covered[interval][:, places] = _over_cells(inside)


def _over_cells(values: NDArray[Any]) -> NDArray[Any]:
    """Return sums over cells with the axis of leads last, of (lead, ..., cell)."""
    return np.moveaxis(values.sum(axis=-1), 0, -1)
