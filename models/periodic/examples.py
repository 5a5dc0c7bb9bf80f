"""Examples: rows of features, kept until their targets are known, and then to be learnt from."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays
from tidecast.models.periodic.features import FEATURES, FeatureRows

__all__ = ["Examples", "TrainingRows"]

LARGEST_TARGET = 20.0
"""Units: a departure beyond is learnt as this."""

HALF_LIFE = 0.375
"""In spans: a row that old counts half of the newest."""

GOLDEN = 0.6180339887498949
"""Multiples of it, less whole numbers, fill the unit interval evenly."""


@dataclass(frozen=True)
class Batch:
    """Examples of one origin; ``target`` is NaN until known, the rest never changes."""

    origin: int
    features: NDArray[np.float16]  # (row, feature)
    lead: NDArray[np.int32]  # (row,)
    series: NDArray[np.int32]
    cell: NDArray[np.int32]
    usual: NDArray[np.float32]  # what was usual of the target
    unit: NDArray[np.float32]  # NaN where the cell is too young to be learnt from
    target: NDArray[np.float32]  # (value - usual) / unit


@dataclass(frozen=True)
class TrainingRows:
    """What trees are fitted to: a pure function of the log."""

    features: NDArray[np.float16]  # (row, feature)
    target: NDArray[np.float32]  # (row,)
    weight: NDArray[np.float32]  # (row,), 1 for the newest origin
    origin: NDArray[np.int64]  # (row,), rising
    lead: NDArray[np.int32]  # (row,)


NO_FEATURES = np.zeros((0, len(FEATURES)), np.float16)
NO_TARGETS = np.zeros(0, np.float32)
NO_LEADS = np.zeros(0, np.int32)
EMPTY: Arrays = {
    "features": NO_FEATURES,
    **dict.fromkeys(("lead", "series", "cell"), NO_LEADS),
    **dict.fromkeys(("usual", "unit", "target"), NO_TARGETS),
}


class Examples:
    """A sample of the rows forecast from the last origins, each as it was at its origin.

    At most ``max_rows`` rows of ``span`` bins are kept. Every lead, cell and series has the same
    share; which rows of an origin are taken depends on its bin alone.

    Parameters
    ----------
    span
        Bins of which examples are kept.
    """

    def __init__(self, horizon: int, span: int, max_rows: int) -> None:
        self._horizon = horizon
        self._span = span
        self._per_lead = max(1, max_rows // (span * horizon))
        self._batches: deque[Batch] = deque()

    def add(self, rows: FeatureRows) -> None:
        """Take a sample of the rows of an origin; forget those that left the span."""
        leads = np.arange(1, self._horizon + 1, dtype=np.int32)
        places = [self._sampled(rows.origin, int(lead), rows.unit.size) for lead in leads]
        lead, place = np.repeat(leads, len(places[0])), np.concatenate(places)
        series, cell = np.divmod(place, max(1, rows.unit.shape[1]))
        batch = Batch(
            origin=rows.origin,
            features=rows.table[lead - 1, place].astype(np.float16),
            lead=lead,
            series=series.astype(np.int32),
            cell=cell.astype(np.int32),
            usual=rows.usual.reshape(self._horizon, -1)[lead - 1, place],
            unit=np.where(rows.settled, rows.unit, np.float32(np.nan)).reshape(-1)[place],
            target=np.full(len(lead), np.nan, np.float32),
        )
        self._batches.append(batch)
        while self._batches[0].origin <= rows.origin - self._span:
            self._batches.popleft()

    def _sampled(self, origin: int, lead: int, n_places: int) -> NDArray[np.int64]:
        """Return evenly spread places of which no origin and lead prefers any."""
        n_rows = min(self._per_lead, n_places)
        start = (GOLDEN * (self._horizon * origin + lead)) % 1.0
        places = ((np.arange(n_rows) + start) * n_places / max(n_rows, 1)).astype(np.int64)
        return np.minimum(places, n_places - 1)

    def fill(self, bin_: int, values: NDArray[np.float64]) -> None:
        """Tell the values of a bin, (cell, series), fit to learn from; NaN stays unknown."""
        for batch in reversed(self._batches):
            lead = bin_ - batch.origin
            if lead > self._horizon:
                break
            rows = np.flatnonzero(batch.lead == lead)
            value = values[batch.cell[rows], batch.series[rows]]
            departure = (value - batch.usual[rows]) / batch.unit[rows]
            batch.target[rows] = np.clip(departure, -LARGEST_TARGET, LARGEST_TARGET)

    def known(self) -> TrainingRows:
        """Return the rows whose targets are known, oldest first."""
        chosen = [(batch, np.isfinite(batch.target)) for batch in self._batches]
        origins = np.array([batch.origin for batch in self._batches], np.int64)
        origin = np.repeat(origins, [int(known.sum()) for _, known in chosen])
        age = (origin.max(initial=0) - origin) / self._span
        return TrainingRows(
            np.concatenate([NO_FEATURES, *(b.features[known] for b, known in chosen)]),
            np.concatenate([NO_TARGETS, *(b.target[known] for b, known in chosen)]),
            (0.5 ** (age / HALF_LIFE)).astype(np.float32),
            origin,
            np.concatenate([NO_LEADS, *(b.lead[known] for b, known in chosen)]),
        )

    def snapshot(self) -> Arrays:
        """Return the state as arrays: rows of all batches one after another."""
        batches = self._batches
        columns = {name: [getattr(batch, name) for batch in batches] for name in EMPTY}
        return {
            "origin": np.array([batch.origin for batch in batches], np.int64),
            "n_rows": np.array([len(batch.lead) for batch in batches], np.int64),
            **{name: np.concatenate([EMPTY[name], *parts]) for name, parts in columns.items()},
        }

    def restore(self, arrays: Arrays) -> None:
        """Become the examples that ``snapshot`` was taken of."""
        self._batches.clear()
        ends = np.cumsum(arrays["n_rows"])
        for origin, n_rows, end in zip(arrays["origin"], arrays["n_rows"], ends, strict=True):
            columns = {name: arrays[name][end - n_rows : end].copy() for name in EMPTY}
            self._batches.append(Batch(origin=int(origin), **columns))
