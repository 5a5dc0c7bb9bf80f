"""Censored bins teach demand, not sales."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tidecast.models.forecast import Forecast
from tidecast.models.forecaster import Forecaster
from tidecast.models.profile import ForecastProfile
from tidecast.models.scores import Scores
from tidecast.state.bins import HOUR, BinGrid
from tidecast.state.cells import Cell
from tidecast.state.slabs import Slab

CELLS = [Cell("north", "x"), Cell("south", "x")]
LEVEL = np.array([[10.0], [30.0]])


def trade(n_bins: int = 100) -> NDArray[np.float64]:
    """Return counts, (bin, cell, series)."""
    return np.random.default_rng(0).poisson(LEVEL, (n_bins, 2, 1)).astype(np.float64)


def run(
    values: NDArray[np.float64], censored: NDArray[np.bool_] | None = None
) -> tuple[Scores | None, Forecast]:
    """Step through bins whose first cell is marked as told; return what the last one gave."""
    model = Forecaster(ForecastProfile(("demand",), BinGrid(HOUR), 2, (0.1, 0.5, 0.9), (6, 24)))
    for place, slab in enumerate(values):
        marks = None
        if censored is not None:
            marks = np.array([[censored[place]], [False]])
        found = model.step(Slab(480_000 + place, slab, censored=marks), CELLS, {})
    return found


def test_sales_of_what_was_sold_out_are_as_if_not_known() -> None:
    sold_out = np.arange(100) >= 60
    sold, missing = trade(), trade()
    sold[sold_out, 0] = 1.0
    missing[sold_out, 0] = np.nan
    assert run(sold, sold_out)[1].mean.tobytes() == run(missing)[1].mean.tobytes()


def test_demand_that_was_more_than_usual_is_learnt_although_censored() -> None:
    sold_out = np.arange(100) >= 80
    sold = trade()
    sold[sold_out, 0] = 25.0
    assert run(sold, sold_out)[1].mean.tobytes() == run(sold)[1].mean.tobytes()


def test_without_the_mark_sales_are_taken_for_demand() -> None:
    sold_out = np.arange(100) >= 60
    sold = trade()
    sold[sold_out, 0] = 1.0
    plain, marked = run(sold)[1].mean[0, 0], run(sold, sold_out)[1].mean[0, 0]
    assert (plain < 5.0).all()
    assert marked == pytest.approx(10.0, rel=0.25)


def test_censored_bins_are_not_scored_for_nobody_knows_their_demand() -> None:
    scores, _ = run(trade(), np.arange(100) == 99)
    assert scores is not None
    awake = [name not in ("trees", "leading") for name in scores.experts]
    assert (scores.n[awake] == 1).all()
