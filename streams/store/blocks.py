"""From the arrays of one bin to the columns of the store's tables, without a record between.

The columns are those that the records of the same bin give (``rows``), as arrays: a replay, which
has no topics, writes these.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tidecast.models.forecast import Forecast
from tidecast.models.scores import BLEND, Scores
from tidecast.state.bins import BinGrid
from tidecast.state.cells import Cell
from tidecast.state.slabs import Slab
from tidecast.streams.store.base import Column

__all__ = ["forecast_block", "scores_block", "slab_block"]

MICROS = 1_000_000


def forecast_block(
    forecast: Forecast,
    cells: Sequence[Cell],
    series: Sequence[str],
    levels: Sequence[float],
    grid: BinGrid,
) -> dict[str, Column]:
    """Return the columns of ``predictions``, one row a series and cell."""
    n_series, n_cells, n_leads = forecast.mean.shape
    n = n_series * n_cells
    last = forecast.origin_bin
    ends = np.array([grid.end(last + lead) // MICROS for lead in range(n_leads + 1)])
    experts = list(forecast.weights)
    weights = np.zeros((n_series, len(experts), n_leads), np.float32)
    for number, expert in enumerate(experts):
        weights[:, number] = forecast.weights[expert]
    return {
        **_names(cells, series),
        "origin": np.full(n, ends[0]),
        "valid_time": np.broadcast_to(ends[1:], (n, n_leads)),
        "mean": forecast.mean.reshape(n, n_leads),
        "quantile_levels": np.broadcast_to(np.array(levels, np.float64), (n, len(levels))),
        "quantiles": forecast.quantiles.reshape(n, n_leads, len(levels)),
        "experts": [experts] * n,
        "weights": np.repeat(weights, n_cells, axis=0),
        "revision": np.zeros(n, np.int64),
    }


def slab_block(
    slab: Slab, cells: Sequence[Cell], series: Sequence[str], grid: BinGrid
) -> dict[str, Column]:
    """Return the columns of ``actuals``, one row a series and cell."""
    n, marks = slab.values.size, slab.censored
    return {
        **_names(cells, series),
        "bin_start": np.full(n, grid.start(slab.bin) // MICROS),
        "bin_end": np.full(n, grid.end(slab.bin) // MICROS),
        "value": slab.values.T.reshape(n),
        "censored": np.zeros(n, np.uint8) if marks is None else marks.T.reshape(n).astype(np.uint8),
        "revision": np.full(n, slab.revision),
    }


def scores_block(
    scores: Scores, series: Sequence[str], grid: BinGrid, shard: int = 0
) -> dict[str, Column]:
    """Return the columns of ``scores``, one row an expert, series and lead that was scored."""
    where = expert, number, lead = np.nonzero(scores.n)
    intervals = list(scores.intervals)
    experts = [scores.experts[e] for e in expert.tolist()]
    blend = [name == BLEND for name in experts]
    covered: NDArray[np.int64] = scores.covered[:, number, lead].T  # (row, interval)
    n = len(expert)
    return {
        "shard": np.full(n, shard),
        "series": [series[s] for s in number.tolist()],
        "expert": experts,
        "lead": lead + 1,
        "valid_time": np.full(n, grid.end(scores.bin) // MICROS),
        "n": scores.n[where],
        "abs_error": scores.abs_error[where],
        "squared_error": scores.squared_error[where],
        "actual": scores.actual[where],
        "pinball": scores.pinball[where],
        "intervals": [intervals if b else [] for b in blend],
        "covered": [row if b else [] for b, row in zip(blend, covered.tolist(), strict=True)],
        "revision": np.full(n, scores.revision),
    }


def _names(cells: Sequence[Cell], series: Sequence[str]) -> dict[str, Column]:
    return {
        "series": [name for name in series for _ in cells],
        "region": [cell.region for cell in cells] * len(series),
        "category": [cell.category for cell in cells] * len(series),
    }
