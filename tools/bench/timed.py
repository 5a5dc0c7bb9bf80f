"""What each expert costs, and what River's own loop over cells would."""

from __future__ import annotations

from collections.abc import Iterator
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river.time_series import SNARIMAX

from tidecast.models.arrays import Arrays
from tidecast.models.covariates import Covariates
from tidecast.models.experts import Expert
from tidecast.models.parts import Parts
from tidecast.state.slabs import Slab
from tidecast.state.window import Window

__all__ = ["TimedExpert", "loop_seconds"]

SAMPLE = 300
"""Series that the loop is measured on: its time is linear in them."""

LOOP_BINS = 5


class TimedExpert:
    """An expert, and the processor time it took in the last bin."""

    def __init__(self, expert: Expert) -> None:
        self.name = expert.name
        self.resets = expert.resets
        self.seconds = 0.0
        self._expert = expert

    def learn(self, window: Window, slab: Slab, covariates: Covariates) -> None:
        """Learn, beginning the time of a bin."""
        start = process_time()
        self._expert.learn(window, slab, covariates)
        self.seconds = process_time() - start
        self.resets = self._expert.resets

    def forecast(
        self, window: Window, covariates: Covariates
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return mean and scale, each (series, cell, lead)."""
        start = process_time()
        said = self._expert.forecast(window, covariates)
        self.seconds += process_time() - start
        return said

    def explain(self, window: Window, covariates: Covariates, cell: int) -> Parts:
        """See `Expert.explain`."""
        return self._expert.explain(window, covariates, cell)

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        return self._expert.snapshot()

    def restore(self, arrays: Arrays) -> None:
        """Become the expert that ``snapshot`` was taken of."""
        self._expert.restore(arrays)


def loop_seconds(n_models: int, horizon: int) -> float:
    """Return the seconds a bin of a loop over one River SNARIMAX per cell and series.

    Each learns a count and forecasts ``horizon`` bins; it is measured on some models, of the
    orders of the expert `snarimax` with a day of 24 bins, and taken to be linear in them.
    """
    sample = min(n_models, SAMPLE)
    models = [SNARIMAX(p=2, d=0, q=1, m=24, sp=1) for _ in range(sample)]
    return n_models / sample * min(_loop(models, horizon))


def _loop(models: list[Any], horizon: int) -> Iterator[float]:
    """Yield the seconds of bins with all lags in place."""
    counts = np.random.default_rng(0).poisson(3.0, (24 + LOOP_BINS, len(models))).astype(float)
    for bin_, slab in enumerate(counts):
        start = process_time()
        for model, count in zip(models, slab.tolist(), strict=True):
            model.learn_one(count)
            model.forecast(horizon)
        if bin_ >= 24:
            yield process_time() - start
