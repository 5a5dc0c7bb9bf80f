"""One window of the transfer benchmark: some days to learn from, the next ones to be judged by."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tidecast.models.deep.accuracy import accuracy_of
from tidecast.models.deep.course import PLAIN
from tidecast.models.deep.history import slots_per_day
from tidecast.models.deep.model import Model
from tidecast.models.deep.training import Progress
from tidecast.tools.deep.data import Data
from tidecast.tools.deep.finetune import finetuning, tuning_plan
from tidecast.tools.deep.job import BATCH, Shares, windows_of

__all__ = ["FRESH", "Errors", "Taught", "Window", "of_last_day", "of_network", "of_ridge"]

FRESH = "fresh"
"""The way in which a network begins with drawn weights."""

BATCH_SIZE = 4

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Errors:
    """Means over all leads: of the median, of the mean's square (its root), of all levels."""

    mae: float
    rmse: float
    pinball: float | None = None


@dataclass(frozen=True)
class Taught:
    """How long a network learns, and how fast at most."""

    steps: int
    learning_rate: float


@dataclass(frozen=True)
class Window:
    """The bins of ``data``, the first ``n_learnt`` of which are known; ``horizon`` in bins."""

    data: Data
    n_learnt: int
    context: int
    horizon: int

    @classmethod
    def at(cls, data: Data, origin: int, spans: tuple[int, int], model: Model) -> Window:
        """Return the window that knows ``spans[0]`` days before ``origin`` and ends after
        ``spans[1]``."""
        day, config = slots_per_day(data.grid), model.network.config
        first, end = origin - spans[0] * day, origin + spans[1] * day
        part = replace(data, values=data.values[first:end], first_bin=data.first_bin + first)
        return cls(part, spans[0] * day, config.context_length, config.horizon)

    @property
    def known(self) -> Data:
        """What is learnt from."""
        return replace(self.data, values=self.data.values[: self.n_learnt])

    @property
    def learnt(self) -> NDArray[np.int64]:
        """Origins of which the targets, too, are learnt from."""
        return np.arange(self.context, self.n_learnt - self.horizon + 1)

    @property
    def judged(self) -> NDArray[np.int64]:
        """Origins that are judged: forecasts know all bins before theirs."""
        return np.arange(self.n_learnt, len(self.data.values) - self.horizon + 1)

    def actual(self, origins: NDArray[np.int64]) -> Values:
        """Return what came after ``origins``: (origin, cell, lead)."""
        return self._beside(origins, np.arange(self.horizon))

    def before(self, origins: NDArray[np.int64], n_bins: int) -> Values:
        """Return the last bins before ``origins``: (origin, cell, bin)."""
        return self._beside(origins, np.arange(-n_bins, 0))

    def _beside(self, origins: NDArray[np.int64], offsets: NDArray[np.int64]) -> Values:
        values = self.data.values[:, :, 0].astype(np.float64)
        found: Values = values[origins[:, None] + offsets].transpose(0, 2, 1)
        return found


def of_network(window: Window, model: Model, way: str, taught: Taught, seed: int) -> Errors:
    """Return the errors of a network that begins as ``model`` and learns by ``way``.

    `FRESH` has the shape of ``model`` and none of its weights.
    """
    plan = tuning_plan(taught.steps, taught.learning_rate, BATCH_SIZE, seed)
    part = "all" if way == FRESH else way
    job = finetuning(window.known, model, part, plan, Shares(0.0, 0.0))
    job = replace(job, course=PLAIN) if way == FRESH else job
    trainer = job.trainer()
    trainer.run(_silent)
    tuned = job.model(trainer)
    numbers = tuned.numbers(tuned.cells)
    windows = windows_of(window.data, job.config, numbers, tuned.scales, job.units)
    found = accuracy_of(tuned.network, windows, window.judged, BATCH).overall()
    return Errors(found["mae"], found["rmse_mean"], found["pinball"])


def of_last_day(window: Window) -> Errors:
    """Return the errors of who says the values of a day before (seasonal naive)."""
    day = slots_per_day(window.data.grid)
    last = window.before(window.judged, day)  # (origin, cell, bin)
    said = last[:, :, np.arange(window.horizon) % day]
    return _errors(said, window.actual(window.judged))


def of_ridge(window: Window, penalty: float) -> Errors:
    """Return the errors of one ridge regression for each lead, all cells together.

    Of the context, in units of its own level and scale, and of the hour.
    """
    (x, level, scale), actual = _features(window, window.learnt), window.actual(window.learnt)
    y = ((actual - level) / scale).reshape(len(x), -1)  # (origin * cell, lead)
    known = np.isfinite(y).all(axis=1)
    gram = x[known].T @ x[known] / known.sum() + penalty * np.eye(x.shape[1])
    weights = np.linalg.solve(gram, x[known].T @ y[known] / known.sum())
    x, level, scale = _features(window, window.judged)
    return _errors(
        level + scale * (x @ weights).reshape(*level.shape[:2], -1), window.actual(window.judged)
    )


def _features(window: Window, origins: NDArray[np.int64]) -> tuple[Values, Values, Values]:
    """Return features (origin * cell, feature), level and scale of windows (origin, cell, 1)."""
    seen = window.before(origins, window.context)  # (origin, cell, bin)
    level = np.nanmean(seen, axis=-1, keepdims=True)
    usual = np.nanstd(window.known.values[:, :, 0], axis=0)[None, :, None]
    scale = np.sqrt(0.5 * (np.nanvar(seen, axis=-1, keepdims=True) + usual**2)) + 1e-6
    departures = np.nan_to_num((seen - level) / scale)
    day = slots_per_day(window.data.grid)
    hour = window.data.calendar(window.horizon)[origins, 0][:, None] / day
    waves = [f(2 * np.pi * k * hour) for k in (1, 2, 3) for f in (np.sin, np.cos)]
    told = np.concatenate([*waves, np.ones_like(hour)], axis=1)  # (origin, 7)
    told = np.broadcast_to(told[:, None], (*seen.shape[:2], told.shape[1]))
    return np.concatenate([departures, told], -1).reshape(-1, window.context + 7), level, scale


def _errors(said: Values, actual: Values) -> Errors:
    """Return the errors of what was ``said``, nothing below zero; (origin, cell, lead) both."""
    error = np.maximum(said, 0.0) - actual
    per_lead = np.sqrt(np.nanmean(error**2, axis=(0, 1)))
    return Errors(float(np.nanmean(np.abs(error))), float(per_lead.mean()))


def _silent(_: Progress) -> None: ...
