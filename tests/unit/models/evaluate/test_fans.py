"""Fans: which cells are kept to be drawn, and what of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tidecast.models.coherent import CoherentForecaster
from tidecast.models.evaluate.backtest import Backtest
from tidecast.models.evaluate.evaluator import Span
from tidecast.models.evaluate.fans import FanStrip, fans_origin
from tidecast.models.evaluate.worst import worst_cells
from tidecast.models.forecaster import Forecaster
from tidecast.models.profile import ForecastProfile
from tidecast.state.bins import HOUR, BinGrid
from tidecast.state.cells import ALL, Cell
from tidecast.state.slabs import Slab

FIRST = 480_000
HORIZON = 4
ORIGIN = FIRST + 40
CELLS = [Cell(f"region {n}", "all") for n in range(5)]
SIZES = np.array([3.0, 50.0, 10.0, 0.5, 8.0])
Values = NDArray[np.float64]  # (bin, cell, series)

PROFILE = ForecastProfile(
    series=("demand",),
    grid=BinGrid(HOUR),
    horizon=HORIZON,
    quantile_levels=(0.05, 0.1, 0.5, 0.9, 0.95),
    season_lengths=(6,),
    experts=("seasonal_naive", "time_of_week"),
)


def counts(n_bins: int = 61) -> Values:
    random = np.random.default_rng(3)
    return random.poisson(SIZES[:, None], (n_bins, len(SIZES), 1)) * 1.0


def run(values: Values, first_scored: int = FIRST + 20, reach: int = 0) -> Backtest:
    span = Span(first_scored, fans_origin=ORIGIN)
    backtest = Backtest(replace(PROFILE, reach=reach), span)
    for bin_, slab in enumerate(values, FIRST):
        backtest.step(Slab(bin_, slab), CELLS, {})
    backtest.end()
    return backtest


def strips(backtest: Backtest) -> dict[str, FanStrip]:
    """Return the strips of the only series by why they were kept."""
    return {strip.note: strip for strip in backtest.fans.strips(0)}


def test_the_largest_the_median_and_the_sparsest_cell_are_kept_and_the_sum() -> None:
    found = [(s.cell, s.note) for s in run(counts(), first_scored=ORIGIN).fans.strips(0)]
    assert found == [
        (None, "the sum of the means"),
        (1, "the largest cell"),
        (4, "a cell of median size"),
        (3, "the sparsest cell"),
    ]


def test_the_cell_is_kept_that_was_forecast_worst_until_then() -> None:
    values = counts()
    values[30:40, 2] = 60.0  # which nobody can know
    (worst,) = worst_cells(run(values[:40]).evaluator, 0, 1)
    found = strips(run(values))
    assert found["the worst forecast until then"].cell == worst.cell == 2


def test_a_cell_for_two_reasons_is_kept_once() -> None:
    values = counts()
    values[30:40, 1] = 600.0
    assert strips(run(values))["the largest cell, the worst forecast until then"].cell == 1


def test_fans_are_what_the_forecaster_said_at_their_origins() -> None:
    values = counts()
    forecaster = CoherentForecaster(Forecaster(PROFILE))
    said = {bin_: forecaster.step(Slab(bin_, slab), CELLS, {})[1]
            for bin_, slab in enumerate(values, FIRST)}  # fmt: skip
    largest = strips(run(values, first_scored=ORIGIN))["the largest cell"]
    assert np.array_equal(largest.actual, values[40:, 1, 0])
    assert np.isnan(largest.mean[0])
    for fan in range(5):
        forecast = said[ORIGIN + fan * HORIZON]
        places = slice(1 + fan * HORIZON, 1 + (fan + 1) * HORIZON)
        assert np.allclose(largest.mean[places], forecast.mean[0, 1])
        assert np.allclose(largest.quantiles[places], forecast.quantiles[0, 1], rtol=1e-5)


def test_the_sum_has_the_quantiles_that_were_given_out_of_it() -> None:
    values = counts()
    forecaster = CoherentForecaster(Forecaster(PROFILE))
    said = [forecaster.step(Slab(bin_, slab), CELLS, {})[1].totals
            for bin_, slab in enumerate(values, FIRST)]  # fmt: skip
    whole = strips(run(values))["the sum of the means"]
    assert np.isnan(whole.quantiles[0]).all()
    for fan in range(5):
        totals = said[ORIGIN - FIRST + fan * HORIZON]
        assert totals is not None
        total = totals.nodes.index(Cell(ALL, ALL))
        places = slice(1 + fan * HORIZON, 1 + (fan + 1) * HORIZON)
        assert np.allclose(whole.mean[places], totals.forecast.mean[0, total])
        assert np.allclose(whole.quantiles[places], totals.forecast.quantiles[0, total], rtol=1e-5)


def test_what_does_not_add_up_has_no_sum() -> None:
    backtest = Backtest(replace(PROFILE, ratios=(0,)), Span(FIRST + 20, fans_origin=ORIGIN))
    for bin_, slab in enumerate(counts(), FIRST):
        backtest.step(Slab(bin_, slab), CELLS, {})
    assert None not in [strip.cell for strip in backtest.fans.strips(0)]


def test_the_sum_is_of_the_cells_that_are_known() -> None:
    values = counts()
    values[50, 1] = np.nan
    whole = strips(run(values))["the sum of the means"]
    assert whole.actual[10] == np.nansum(values[50])
    assert whole.mean[9] > 50 > whole.mean[10]
    assert np.isnan(whole.quantiles[10]).all()  # they are of all cells
    assert np.isfinite(whole.quantiles[9]).all()


def test_an_only_cell_is_kept_without_a_sum() -> None:
    backtest = Backtest(PROFILE, Span(FIRST + 20, fans_origin=ORIGIN))
    for bin_, slab in enumerate(counts(), FIRST):
        backtest.step(Slab(bin_, slab[:1]), CELLS[:1], {})
    assert [(s.cell, s.note) for s in backtest.fans.strips(0)] == [(0, "the only cell")]


def test_cells_that_come_later_and_gaps_are_survived() -> None:
    backtest = Backtest(PROFILE, Span(FIRST + 20, fans_origin=ORIGIN))
    for bin_, slab in enumerate(counts(), FIRST):
        if bin_ not in (ORIGIN + 2, ORIGIN + 3):
            n_cells = 3 if bin_ < ORIGIN + 6 else 5
            backtest.step(Slab(bin_, slab[:n_cells]), CELLS[:n_cells], {})
    found = next(s for s in backtest.fans.strips(0) if s.cell == 1)
    assert np.flatnonzero(np.isnan(found.actual)).tolist() == [2, 3]
    assert len(found.mean) == 21


def test_before_any_cell_is_known_nothing_is_shown() -> None:
    backtest = Backtest(PROFILE, Span(FIRST, fans_origin=FIRST))
    for bin_, slab in enumerate(counts(), FIRST):
        n_cells = 0 if bin_ < FIRST + 2 else 5
        backtest.step(Slab(bin_, slab[:n_cells]), CELLS[:n_cells], {})
    assert list(backtest.fans.strips(0)) == []


@pytest.mark.parametrize("halfway", [30, 52])
def test_fans_and_weights_go_on_from_a_snapshot(halfway: int) -> None:
    values, reach = counts(), 2 * HOUR
    whole = run(values, reach=reach)
    profile, span = replace(PROFILE, reach=reach), Span(FIRST + 20, fans_origin=ORIGIN)
    half, rest = Backtest(profile, span), Backtest(profile, span)
    for bin_, slab in enumerate(values[:halfway], FIRST):
        half.step(Slab(bin_, slab), CELLS, {})
    rest.restore({name: array.copy() for name, array in half.snapshot().items()}, CELLS)
    for bin_, slab in enumerate(values[halfway:], FIRST + halfway):
        rest.step(Slab(bin_, slab), CELLS, {})
    rest.end()
    one, other = whole.snapshot(), rest.snapshot()
    for name in one:
        if name.startswith(("fans", "weights")):
            assert one[name].tobytes() == other[name].tobytes()


def test_memory_does_not_grow_with_cells() -> None:
    backtest = run(counts())
    entries = [a for name, a in backtest.fans.snapshot().items() if name.startswith("bin/")]
    assert len(entries) == 21
    assert {entry.shape for entry in entries} == {(1, 5, 7)}


@pytest.mark.parametrize(
    ("n_bins", "horizon", "fans", "why"),
    [
        (10_000, 24, 7, "a week of hours"),
        (10_000, 1, 24, "no more than can be told apart"),
        (10_000, 500, 1, "one that is longer than a week"),
        (60, 14, 2, "no more than half of the bins"),
    ],
)
def test_fans_end_with_the_last_bin(n_bins: int, horizon: int, fans: int, why: str) -> None:
    assert fans_origin(100, 99 + n_bins, horizon) == 99 + n_bins - fans * horizon, why


def test_weights_of_a_day_are_means_over_its_origins() -> None:
    values = counts()
    forecaster = Forecaster(PROFILE)
    days: dict[int, list[NDArray[np.float32]]] = {}
    for bin_, slab in enumerate(values, FIRST):
        weights = forecaster.step(Slab(bin_, slab), CELLS, {})[1].weights
        asleep = np.zeros((1, HORIZON), np.float32)
        spoken = np.stack([weights.get(expert, asleep) for expert in PROFILE.experts])
        days.setdefault(PROFILE.grid.local(bin_).toordinal(), []).append(spoken)
    found = run(values).weights.days()
    assert list(found) == list(days)
    for day, weights in days.items():
        assert np.allclose(found[day], np.mean(weights, axis=0))
        assert found[day].shape == (2, 1, HORIZON)
