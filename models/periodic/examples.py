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

OF_ROWS = ("lead", "cell")
"""What the examples of all series share; the rest has an axis of series."""


@dataclass(frozen=True)
class Batch:
    """Examples of one origin; ``target`` is NaN until known, the rest never changes."""

    origin: int
    lead: NDArray[np.int32]  # (row,)
    cell: NDArray[np.int32]
    features: NDArray[np.float16]  # (series, row, feature)
    usual: NDArray[np.float32]  # (series, row), what was usual of the target
    unit: NDArray[np.float32]  # NaN where the cell is too young to be learnt from
    target: NDArray[np.float32]  # (value - usual) / unit


@dataclass(frozen=True)
class TrainingRows:
    """What the trees of a series are fitted to: a pure function of the log."""

    features: NDArray[np.float16]  # (row, feature)
    target: NDArray[np.float32]  # (row,)
    weight: NDArray[np.float32]  # (row,), 1 for the newest origin
    origin: NDArray[np.int64]  # (row,), rising
    lead: NDArray[np.int32]  # (row,)


class Examples:
    """A sample of the rows forecast from the last origins, each as it was at its origin.

    At most ``max_rows`` rows of ``span`` bins are kept. Every lead, cell and series has the same
    share; which rows of an origin are taken depends on its bin alone.

    Parameters
    ----------
    span
        Bins of which examples are kept.
    """

    def __init__(self, n_series: int, horizon: int, span: int, max_rows: int) -> None:
        self._horizon = horizon
        self._span = span
        self._per_lead = max(1, max_rows // (span * horizon * n_series))
        self._batches: deque[Batch] = deque()
        no_values = np.zeros((n_series, 0), np.float32)
        self._empty: Arrays = {
            **dict.fromkeys(OF_ROWS, np.zeros(0, np.int32)),
            "features": np.zeros((n_series, 0, len(FEATURES)), np.float16),
            **dict.fromkeys(("usual", "unit", "target"), no_values),
        }

    def add(self, rows: FeatureRows) -> None:
        """Take a sample of the rows of an origin; forget those that left the span."""
        leads = np.arange(1, self._horizon + 1, dtype=np.int32)
        cells = [self._sampled(rows.origin, int(lead), rows.unit.shape[1]) for lead in leads]
        lead, cell = np.repeat(leads, len(cells[0])), np.concatenate(cells)
        batch = Batch(
            origin=rows.origin,
            lead=lead,
            cell=cell,
            features=rows.table[:, lead - 1, cell].astype(np.float16),
            usual=rows.usual[lead - 1, :, cell].T,
            unit=np.where(rows.settled, rows.unit, np.float32(np.nan))[:, cell],
            target=np.full((len(rows.unit), len(lead)), np.nan, np.float32),
        )
        self._batches.append(batch)
        while self._batches[0].origin <= rows.origin - self._span:
            self._batches.popleft()

    def _sampled(self, origin: int, lead: int, n_cells: int) -> NDArray[np.int32]:
        """Return evenly spread cells of which no origin and lead prefers any."""
        n_rows = min(self._per_lead, n_cells)
        start = (GOLDEN * (self._horizon * origin + lead)) % 1.0
        places = ((np.arange(n_rows) + start) * n_cells / max(n_rows, 1)).astype(np.int32)
        return np.minimum(places, n_cells - 1)

    def fill(self, bin_: int, values: NDArray[np.float64]) -> None:
        """Tell the values of a bin, (cell, series), fit to learn from; NaN stays unknown."""
        for batch in reversed(self._batches):
            lead = bin_ - batch.origin
            if lead > self._horizon:
                break
            rows = np.flatnonzero(batch.lead == lead)
            departure = (values[batch.cell[rows]].T - batch.usual[:, rows]) / batch.unit[:, rows]
            batch.target[:, rows] = np.clip(departure, -LARGEST_TARGET, LARGEST_TARGET)

    def known(self, series: int) -> TrainingRows:
        """Return the rows of a series whose targets are known, oldest first."""
        chosen = [(batch, np.isfinite(batch.target[series])) for batch in self._batches]
        origins = np.array([batch.origin for batch in self._batches], np.int64)
        origin = np.repeat(origins, [int(known.sum()) for _, known in chosen])
        age = (origin.max(initial=0) - origin) / self._span
        features, target = self._empty["features"][series], self._empty["target"][series]
        return TrainingRows(
            np.concatenate([features, *(b.features[series, known] for b, known in chosen)]),
            np.concatenate([target, *(b.target[series, known] for b, known in chosen)]),
            (0.5 ** (age / HALF_LIFE)).astype(np.float32),
            origin,
            np.concatenate([self._empty["lead"], *(b.lead[known] for b, known in chosen)]),
        )

    def snapshot(self) -> Arrays:
        """Return the state as arrays: rows of all batches one after another."""
        batches = self._batches
        columns = {name: [getattr(batch, name) for batch in batches] for name in self._empty}
        joined = {
            name: np.concatenate([self._empty[name], *parts], axis=_axis(name))
            for name, parts in columns.items()
        }
        return {
            "origin": np.array([batch.origin for batch in batches], np.int64),
            "n_rows": np.array([len(batch.lead) for batch in batches], np.int64),
            **joined,
        }

    def restore(self, arrays: Arrays) -> None:
        """Become the examples that ``snapshot`` was taken of."""
        ends = np.cumsum(arrays["n_rows"])[:-1]
        parts = {name: np.split(arrays[name], ends, _axis(name)) for name in self._empty}
        self._batches = deque(
            Batch(origin=int(origin), **{name: parts[name][place].copy() for name in parts})
            for place, origin in enumerate(arrays["origin"])
        )


def _axis(name: str) -> int:
    """Return the axis of rows."""
    return 0 if name in OF_ROWS else 1
