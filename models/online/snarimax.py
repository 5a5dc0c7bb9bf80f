"""River's SNARIMAX, for all cells at once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from river.time_series import SNARIMAX

from tidecast.models.arrays import Arrays, grown
from tidecast.models.covariates import Covariates
from tidecast.models.online.standard import CLIP, departures, means_of
from tidecast.models.online.unrolled import unrolled
from tidecast.models.parts import Parts, added, scaled, usual_parts, within
from tidecast.models.profile import ForecastProfile
from tidecast.models.spread import Spread
from tidecast.state.scopes import nested, scoped
from tidecast.state.slabs import Slab
from tidecast.state.window import Window

__all__ = ["CellRegression", "SnarimaxExpert", "make_snarimax"]

Cells = NDArray[np.float64]  # (cell, series)

LAGS, ERRORS = 2, 1
LEARNING_RATE = 0.02
LARGEST_GRADIENT = 1.0
UNIT = 4.0
"""Scales that departures are divided by: errors of less than half of it are not clipped."""

INSANE_WEIGHT = 2.0
"""A lag weighs less than 1 in a series that comes back: beyond this a model has diverged."""


class CellRegression:
    """River's LinearRegression by SGD, gradients clipped, one for every cell: all are arrays.

    The numbers are those of one River model per cell, of ``clip_gradient=LARGEST_GRADIENT`` and
    ``intercept_lr=0`` (a test compares them): departures from the usual have no level of their own.
    ``weights`` are (cell, series), by the name of a feature.
    """

    def __init__(self, names: tuple[str, ...], shape: tuple[int, ...]) -> None:
        self.weights = {name: np.zeros(shape) for name in names}

    def predict_one(self, x: Mapping[str, Cells]) -> Cells:
        """Return predictions, (cell, series), of features by name."""
        return np.asarray(sum(self.weights[name] * lag for name, lag in x.items()))

    def learn_one(self, x: Mapping[str, Cells], y: Cells) -> None:
        """Take one step of every cell's model towards its target; no error, no step."""
        gradient = np.clip(2.0 * (self.predict_one(x) - y), -LARGEST_GRADIENT, LARGEST_GRADIENT)
        for name, lag in x.items():
            self.weights[name] = self.weights[name] - LEARNING_RATE * (gradient * lag)


def make_snarimax(season: int, regressor: object) -> SNARIMAX:
    """Return the River model used for every cell; a ``season`` of 0 leaves it without one."""
    return SNARIMAX(
        p=LAGS, d=0, q=ERRORS, m=max(season, 1), sp=int(season > 0), regressor=regressor
    )


class SnarimaxExpert:
    """One SNARIMAX per cell and series, of departures from the usual week.

    River's model is arithmetic on lags, errors and a regressor's answer, so one model whose
    numbers are arrays (cell, series) is a model for each of them. By River's defaults one burst
    makes it diverge for good. Here departures are in scales of the cell and clipped, so are
    gradients, the learning rate is small, and a cell whose weights have become insane starts
    again. A bin without a value counts as what was expected of it, from which nothing is learnt.
    """

    name = "snarimax"

    def __init__(self, profile: ForecastProfile) -> None:
        self.resets = 0
        self._horizon = profile.horizon
        self._season = profile.short_season
        self._last_bin = -1
        self._spread = Spread(profile.n_series)
        shape = (0, profile.n_series)
        self._put(
            np.zeros((len(self._names), *shape)),
            np.zeros((max(LAGS, self._season), *shape)),
            np.zeros((ERRORS, *shape)),
        )

    @property
    def _names(self) -> tuple[str, ...]:
        seasonal = (f"sy-{self._season}",) if self._season else ()
        lags = (f"y-{lag}" for lag in range(1, LAGS + 1))
        return (*lags, *seasonal, *(f"e-{lag}" for lag in range(1, ERRORS + 1)))

    def learn(self, window: Window, slab: Slab, covariates: Covariates) -> None:
        """Take one step with every cell that has a value."""
        self._grow(len(slab.values))
        skipped = slab.bin - self._last_bin - 1 if self._last_bin >= 0 else 0
        for _ in range(min(skipped, len(self._model.y_diff))):
            self._model.learn_one(self._model.forecast(1)[0])
        self._last_bin = slab.bin
        expected = self._model.forecast(1)[0]
        came = departures(slab, covariates) / UNIT
        self._spread.learn(UNIT * (came - expected) * covariates.scale)
        self._model.learn_one(np.where(np.isfinite(came), came, expected))
        self._reset_insane()

    def forecast(
        self, window: Window, covariates: Covariates
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return mean and scale, each (series, cell, lead); scale > 0."""
        self._grow(len(covariates.level))
        ahead = UNIT * np.stack(self._model.forecast(self._horizon))  # (lead, cell, series)
        return means_of(ahead, covariates), self._spread.over_leads(covariates.scale, self._horizon)

    def _put(self, weights: NDArray[np.float64], lags: Cells, errors: Cells) -> None:
        """Make the model of these parts: all (n, cell, series), newest lags and errors first."""
        regression = CellRegression(self._names, weights.shape[1:])
        regression.weights = dict(zip(self._names, weights, strict=True))
        self._model = make_snarimax(self._season, regression)
        self._model.y_diff.extend(lags)
        self._model.errors.extend(errors)

    def _parts(self) -> tuple[NDArray[np.float64], ...]:
        """Return weights, lags and errors, as `_put` takes them."""
        weights = np.stack([*self._model.regressor.weights.values()])
        return weights, np.stack(self._model.y_diff), np.stack(self._model.errors)

    def _grow(self, n_cells: int) -> None:
        if n_cells > len(self._model.y_diff[0]):
            self._put(*(grown(part, n_cells, axis=1) for part in self._parts()))

    def _reset_insane(self) -> None:
        weights, lags, errors = self._parts()
        insane = ~(np.abs(weights).max(axis=0) <= INSANE_WEIGHT)  # (cell, series)
        if insane.any():
            self.resets += int(insane.sum())
            self._put(*(np.where(insane, 0.0, part) for part in (weights, lags, errors)))

    def explain(self, window: Window, covariates: Covariates, cell: int) -> Parts:
        """See `Expert.explain`: the usual week, and the terms of the departure from it."""
        usual = usual_parts(covariates, cell)
        if cell >= len(self._model.y_diff[0]):  # nothing was learnt yet
            return usual
        weights, past, errors = (part[:, cell] for part in self._parts())  # (n, series) each
        ahead = [said[cell] for said in self._model.forecast(self._horizon)]
        path = np.concatenate([past[::-1], ahead])  # oldest first
        lags = [int(name.split("-")[1]) for name in self._names[:-ERRORS]]
        values = np.zeros((self._horizon, *weights.shape))
        for lead, terms in enumerate(values):
            terms[:-ERRORS] = path[len(past) + lead - np.array(lags)]
        values[0, -ERRORS:] = errors  # those of the bins ahead are 0
        parts = ["season" if name.startswith("s") else "recent" for name in self._names]
        departure = scaled(unrolled(weights, values, [*lags, *[0] * ERRORS], parts), UNIT)
        scale = covariates.scale[cell][:, None]
        return added(usual, scaled(within(departure, -CLIP, CLIP), scale))

    def snapshot(self) -> Arrays:
        """Return the state as arrays: ``weights``, ``lags``, ``errors``, each (n, cell, series)."""
        weights, lags, errors = self._parts()
        return {
            "weights": weights,
            "lags": lags,
            "errors": errors,
            "last_bin": np.array(self._last_bin, np.int64),
            "resets": np.array(self.resets, np.int64),
            **nested({"spread": self._spread.snapshot()}),
        }

    def restore(self, arrays: Arrays) -> None:
        """Become the expert that ``snapshot`` was taken of."""
        self._put(*(arrays[name].copy() for name in ("weights", "lags", "errors")))
        self._last_bin = int(arrays["last_bin"])
        self.resets = int(arrays["resets"])
        self._spread.restore(scoped(arrays, "spread"))
