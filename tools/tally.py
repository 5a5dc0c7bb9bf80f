"""The closing table: what came in, and how the forecasts fared beside seasonal naive."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.table import Table

from tidecast.models.fold import Closed
from tidecast.models.scores import Scores

__all__ = ["Tally", "accuracy_table", "counts_table"]

BASELINE = "seasonal_naive"


class Tally:
    """Adds up the scores of closed bins, over all leads; those of a corrected bin once.

    A correction comes at most ``reach`` bins after its bin has closed.
    """

    def __init__(self, series: Sequence[str], reach: int) -> None:
        self.series = tuple(series)
        self.bins = 0
        self.cells = 0
        self.intervals: tuple[float, ...] = ()
        self._error: dict[str, np.ndarray] = {}
        self._actual: dict[str, np.ndarray] = {}
        self._n = np.zeros(len(self.series))
        self._covered: np.ndarray = np.zeros((0, len(self.series)))
        self._reach = reach
        self._revisable: dict[int, Scores] = {}

    def note(self, closed: Closed) -> None:
        """Count a closed bin, and add its scores."""
        self.bins += closed.slab.revision == 0
        self.cells = len(closed.cells)
        if closed.scores is not None:
            self._replace(closed.scores)

    def _replace(self, scores: Scores) -> None:
        if (earlier := self._revisable.get(scores.bin)) is not None:
            self._add(earlier, -1)
        self._add(scores)
        self._revisable[scores.bin] = scores
        newest = max(self._revisable)
        for bin_ in [bin_ for bin_ in self._revisable if bin_ < newest - self._reach]:
            del self._revisable[bin_]

    def _add(self, scores: Scores, sign: int = 1) -> None:
        zeros = np.zeros(len(self.series))
        for number, expert in enumerate(scores.experts):
            error = self._error.get(expert, zeros)
            self._error[expert] = error + sign * _by_series(scores.abs_error[number])
            actual = self._actual.get(expert, zeros)
            self._actual[expert] = actual + sign * _by_series(scores.actual[number])
        self._n = self._n + sign * scores.n[0].sum(axis=-1)
        covered = sign * scores.covered.sum(axis=-1)  # (interval, series)
        self._covered = covered + (self._covered if self.intervals else 0)
        self.intervals = scores.intervals

    def wape(self, expert: str, series: int) -> float:
        """Return the sum of absolute errors over that of actuals; NaN where nothing was."""
        if expert not in self._actual or not self._actual[expert][series]:
            return float("nan")
        return float(self._error[expert][series] / self._actual[expert][series])

    def coverage(self, interval: int, series: int) -> float:
        """Return the share of actuals inside the blend's central interval."""
        return (
            float(self._covered[interval][series] / self._n[series]) if self._n[series] else np.nan
        )


def _by_series(sums: np.ndarray) -> np.ndarray:
    return np.asarray(np.nansum(sums, axis=-1))  # (series,)


def counts_table(rows: Sequence[tuple[str, str]]) -> Table:
    """Return what came in, a line each."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    for name, value in rows:
        table.add_row(name, value)
    return table


def accuracy_table(tally: Tally) -> Table:
    """Return WAPE beside seasonal naive, and coverage, a line a series."""
    table = Table(box=None, pad_edge=False)
    table.add_column("series")
    for name in ("WAPE", "seasonal naive", "ratio"):
        table.add_column(name, justify="right")
    for level in tally.intervals:
        table.add_column(f"inside {level:.0%}", justify="right")
    for number, name in enumerate(tally.series):
        ours, theirs = tally.wape("tidecast", number), tally.wape(BASELINE, number)
        coverage = [tally.coverage(i, number) for i in range(len(tally.intervals))]
        table.add_row(
            name,
            *(_written(share, ".1%") for share in (ours, theirs)),
            _written(ours / theirs if theirs else np.nan, ".2f"),
            *(_written(share, ".1%") for share in coverage),
        )
    return table


def _written(figure: float, form: str) -> str:
    """Write a figure, a dash where it is not defined: an error relative to nothing."""
    return format(figure, form) if np.isfinite(figure) else "–"
