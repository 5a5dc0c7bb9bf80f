"""Mishaps run beside undisturbed runs of the same forecaster, and their errors compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays, finite
from tidecast.models.coherent import CoherentForecaster
from tidecast.models.forecast import Forecast
from tidecast.models.forecaster import Forecaster
from tidecast.models.pending import Due
from tidecast.state.slabs import Slab
from tidecast.tools.bench.bursts_course import Course, Mishap

__all__ = ["Losses", "Outcome", "Runner"]

N_METRICS = 2
PINBALL, SQUARED = range(N_METRICS)


@dataclass(frozen=True)
class Outcome:
    """Errors beside those of a run that the mishap spared, as ratios.

    ``soon`` is of the season that follows it, ``later`` of the season after that (of the third
    season, where it is for good), by pinball loss and by root mean squared error; ``others`` of the
    cells that it did not befall, from its beginning on, whichever metric differs more; None where
    it befell all. ``not_finite`` counts numbers in forecasts that are not finite.
    """

    name: str
    soon: float
    later: float
    later_rmse: float
    others: float | None
    not_finite: int

    @classmethod
    def mean(cls, outcomes: Sequence[Outcome]) -> Outcome:
        """Return the mean of what one mishap left behind at several places."""
        first, others = outcomes[0], [outcome.others for outcome in outcomes]
        known = [ratio for ratio in others if ratio is not None]
        return cls(
            first.name,
            fmean(outcome.soon for outcome in outcomes),
            fmean(outcome.later for outcome in outcomes),
            fmean(outcome.later_rmse for outcome in outcomes),
            fmean(known) if known else None,
            sum(outcome.not_finite for outcome in outcomes),
        )


@dataclass
class Losses:
    """Sums over leads of the losses of every bin and cell, (metric, bin, cell)."""

    found: NDArray[np.float64]
    not_finite: int = 0

    def ratio(
        self, spared: Losses, metric: int, bins: slice, cells: NDArray[np.int64] | slice
    ) -> float:
        """Return the error of some bins and cells, in those of the ``spared`` run."""
        mine, other = (losses.found[metric, bins][:, cells].sum() for losses in (self, spared))
        ratio = float(mine / other) if other else float("nan")
        return ratio**0.5 if metric == SQUARED else ratio


class Runner:
    """Runs courses that are the same until a mishap; the common past is gone through once."""

    def __init__(self, course: Course) -> None:
        self._course = course
        self._levels = np.array(course.profile.quantile_levels)
        self._past = self._past_of(course)
        self._undisturbed = self._run(self._past, course)

    def outcome(self, mishap: Mishap) -> Outcome:
        """Run the mishap, and hold it against a run that was spared it."""
        course, at, season = self._course, self._course.mishap_at, self._course.season
        cells = mishap.cells_of(course)
        losses = self._run(self._past, mishap.befall(course, at))
        spared = self._undisturbed if mishap.n_bins else self._always(mishap)
        end = at + (mishap.n_bins or 0)
        later = slice(end + season, end + 2 * season)
        if mishap.n_bins is None:
            later = slice(end + 2 * season, end + 3 * season)
        return Outcome(
            mishap.name,
            losses.ratio(spared, PINBALL, slice(end, end + season), cells),
            losses.ratio(spared, PINBALL, later, cells),
            losses.ratio(spared, SQUARED, later, cells),
            self._of_others(losses, cells),
            losses.not_finite,
        )

    def _always(self, mishap: Mishap) -> Losses:
        """Run a course whose whole history was as the mishap makes it."""
        course = mishap.befall(self._course, 0)
        return self._run(self._past_of(course), course)

    def _of_others(self, losses: Losses, cells: NDArray[np.int64]) -> float | None:
        others = np.setdiff1d(np.arange(len(self._course.cells)), cells)
        if not len(others):
            return None
        since = slice(self._course.mishap_at, None)
        ratios = [
            losses.ratio(self._undisturbed, metric, since, others) for metric in range(N_METRICS)
        ]
        return max(ratios, key=lambda ratio: abs(ratio - 1.0))

    def _past_of(self, course: Course) -> Arrays:
        """Return the state of a forecaster that has gone through a course up to the mishap."""
        forecaster = CoherentForecaster(Forecaster(course.profile))
        for _ in self._steps(forecaster, course, 0, course.mishap_at):
            pass
        return forecaster.snapshot()

    def _run(self, past: Arrays, course: Course) -> Losses:
        """Go on from a past to the end of a course; score what is forecast on the way."""
        forecaster = CoherentForecaster(Forecaster(course.profile))
        forecaster.restore(past)
        losses = Losses(np.zeros((N_METRICS, *course.values.shape)))
        rest = self._steps(forecaster, course, course.mishap_at, len(course.values))
        for place, dues, forecast in rest:
            for array in (forecast.mean, forecast.quantiles):
                losses.not_finite += int((~np.isfinite(array)).sum())
            for due in dues:
                losses.found[:, place] += self._loss(due, finite(course.values[place]))
        return losses

    def _loss(self, due: Due, actual: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the losses of one lead, (metric, cell); 0 where the actual is missing."""
        short = actual[:, None] - due.quantiles()[0]  # (cell, level)
        pinball = np.maximum(self._levels * short, (self._levels - 1.0) * short).mean(axis=-1)
        losses = np.stack([pinball, (actual - due.means[0, 0]) ** 2])
        return np.where(np.isfinite(losses), losses, 0.0)

    @staticmethod
    def _steps(
        forecaster: CoherentForecaster, course: Course, start: int, end: int
    ) -> Iterator[tuple[int, tuple[Due, ...], Forecast]]:
        """Step over bins; yield the place of each, what was said of it, and the next forecast."""
        for place in range(start, end):
            if place in course.skipped:
                continue
            bin_ = course.first_bin + place
            dues = forecaster.cells.said_of(bin_)
            slab = Slab(bin_, course.values[place][:, None])
            _, forecast = forecaster.step(slab, course.cells, course.positions)
            yield place, dues, forecast
