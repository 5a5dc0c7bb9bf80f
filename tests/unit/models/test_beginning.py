"""Bursts in the first week of a feed of days, known afterwards only."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tidecast.models.beginning import Beginning, bursts_among
from tidecast.models.coherent import CoherentForecaster
from tidecast.models.forecast import Forecast
from tidecast.models.forecaster import Forecaster
from tidecast.models.profile import ForecastProfile
from tidecast.state.bins import HOUR, BinGrid
from tidecast.state.cells import Cell
from tidecast.state.settings.base import DAY
from tidecast.state.slabs import Slab

FIRST_DAY = 20_000
CELLS = [Cell(f"region {n}", "x") for n in range(3)]
LEVEL = np.array([[60.0], [20.0], [5.0]])
Values = NDArray[np.float64]


def profile(width: int = DAY) -> ForecastProfile:
    grid = BinGrid(width)
    return ForecastProfile(("demand",), grid, 7, (0.1, 0.5, 0.9), grid.season_lengths())


def forecaster(width: int = DAY) -> CoherentForecaster:
    return CoherentForecaster(Forecaster(profile(width)))


def trade(burst_on: int | None = None, n_days: int = 7) -> Values:
    """Return calm counts, (bin, cell, series), but of the largest cell on one day."""
    slabs = np.random.default_rng(0).poisson(LEVEL, (n_days, 3, 1)).astype(np.float64)
    if burst_on is not None:
        slabs[burst_on, 0] = 900.0
    return slabs


def run(model: CoherentForecaster, slabs: Values, first: int = 0) -> Forecast:
    for place, values in enumerate(slabs[first:], first):
        forecast = model.step(Slab(FIRST_DAY + place, values), CELLS, {})[1]
    return forecast


def odd(*values: float) -> list[int]:
    """Return the places of bursts among the values of one cell."""
    return [int(n) for n in np.flatnonzero(bursts_among(np.array(values)[:, None, None]))]


@pytest.mark.parametrize("day", range(6))
def test_a_burst_stands_out_from_the_days_about_it(day: int) -> None:
    values = [60.0, 55.0, 70.0, 66.0, 58.0, 61.0, 64.0]
    values[day] = 900.0
    assert odd(*values) == [day]


def test_bursts_are_found_beside_days_that_are_missing() -> None:
    assert odd(60.0, 900.0, np.nan, 66.0, 800.0, 61.0, np.nan, 70.0, 65.0) == [1, 4]


def test_what_has_not_passed_is_no_burst() -> None:
    assert odd(60.0, 55.0, 70.0, 66.0, 58.0, 61.0, 900.0) == []
    assert odd(60.0, 55.0, 70.0, 66.0, 900.0, 950.0, 60.0) == []


def test_rare_demand_a_busy_weekend_and_few_values_are_none() -> None:
    assert odd(0.0, 0.0, 6.0, 0.0, 0.0, 0.0, 0.0) == []
    assert odd(10.0, 12.0, 9.0, 11.0, 30.0, 40.0, 10.0) == []
    assert odd(60.0, 900.0, 55.0, 60.0) == []
    assert odd(*[np.nan] * 7) == []


@pytest.mark.parametrize("day", range(3))
def test_a_burst_of_the_first_days_is_forgotten_when_a_week_is_there(day: int) -> None:
    model = forecaster()
    forecast = run(model, trade(day))
    assert forecast.totals is not None
    assert forecast.mean[0, :, 0] == pytest.approx(LEVEL[:, 0], rel=0.5)
    assert forecast.quantiles[0, 0].max() < 200.0
    assert forecast.totals.forecast.mean.max() < 150.0
    assert model.actions["burst"].tolist() == [1]


def test_forecasts_go_on_as_if_the_burst_had_been_missing() -> None:
    told, missing = trade(1, 28), trade(None, 28)
    missing[1, 0] = np.nan
    one, other = run(forecaster(), told), run(forecaster(), missing)
    assert one.mean == pytest.approx(other.mean, rel=0.1)
    assert one.quantiles == pytest.approx(other.quantiles, rel=0.25, abs=1.0)


def test_a_calm_beginning_is_learnt_once() -> None:
    model = forecaster()
    run(model, trade())
    assert model.cells.beginning.since == 0
    assert model.snapshot()["cells/beginning/values"].size == 0


def test_what_was_given_out_is_what_is_scored() -> None:
    model, slabs = forecaster(), trade(0, 8)
    run(model, slabs[:6])
    given = model.cells.said_of(FIRST_DAY + 7)
    run(model, slabs[:7], 6)
    kept = [due for due in model.cells.said_of(FIRST_DAY + 7) if due.lead > 1]
    for before, after in zip(given, kept, strict=True):
        assert before.lead == after.lead
        assert np.array_equal(before.means, after.means, equal_nan=True)


def test_a_beginning_is_kept_in_a_snapshot() -> None:
    whole, other, slabs = forecaster(), forecaster(), trade(0, 9)
    run(whole, slabs[:4])
    other.restore(whole.snapshot())
    one, two = run(whole, slabs, 4), run(other, slabs, 4)
    assert one.mean.tobytes() == two.mean.tobytes()
    assert one.quantiles.tobytes() == two.quantiles.tobytes()


def test_a_snapshot_of_a_forecaster_that_kept_nothing_is_of_one_past_its_beginning() -> None:
    whole, other, slabs = forecaster(), forecaster(), trade(0)
    run(whole, slabs[:4])
    arrays = {n: a for n, a in whole.snapshot().items() if "/beginning/" not in n}
    other.restore(arrays)
    run(other, slabs, 4)
    assert other.cells.beginning.since == 0


def test_a_correction_that_takes_the_burst_back_leaves_nothing_to_learn_anew() -> None:
    model, slabs = forecaster(), trade(0)
    run(model, slabs[:4])
    model.correct(Slab(FIRST_DAY, LEVEL, revision=1), CELLS)
    run(model, slabs, 4)
    assert model.cells.beginning.since == 0


def test_a_correction_of_a_kept_bin_is_of_all_that_its_slab_tells() -> None:
    beginning, sold_out = Beginning(profile()), np.array([[True], [False], [False]])
    for place, values in enumerate(trade(1, 6)):
        beginning.keep(Slab(FIRST_DAY + place, values, counts=np.ones((3, 1))))
    corrected = Slab(FIRST_DAY, LEVEL, revision=1, censored=sold_out, counts=2.0 * LEVEL)
    before = beginning.snapshot()
    beginning.correct(corrected)
    anew = beginning.keep(Slab(FIRST_DAY + 6, LEVEL, counts=np.ones((3, 1))))
    assert anew is not None
    first = anew.slabs[0]
    assert np.array_equal(first.values, LEVEL)
    assert first.censored is not None and np.array_equal(first.censored, sold_out)
    assert first.counts is not None and np.array_equal(first.counts, 2.0 * LEVEL)
    assert np.array_equal(before["values"][0], trade(1, 6)[0]), "a snapshot is of its moment"


def test_cells_that_appear_meanwhile_are_no_obstacle() -> None:
    model, slabs = forecaster(), trade(0)
    for place, values in enumerate(slabs):
        n_cells = 2 if place < 3 else 3
        slab = Slab(FIRST_DAY + place, values[:n_cells])
        forecast = model.step(slab, CELLS[:n_cells], {})[1]
    assert forecast.mean[0, 0].max() < 120.0


def test_of_shorter_bins_nothing_is_kept() -> None:
    model = forecaster(HOUR)
    run(model, trade(0, 3))
    assert model.snapshot()["cells/beginning/values"].size == 0
