"""What is suspended teaches nobody, and forecasts go on."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tidecast.models.forecast import Forecast
from tidecast.models.forecaster import Forecaster
from tidecast.models.profile import ForecastProfile
from tidecast.state.bins import HOUR, BinGrid
from tidecast.state.cells import Cell
from tidecast.state.slabs import Slab

FIRST_BIN = 480_000
CELLS = [Cell(f"region {n}", "x") for n in range(4)]
LEVEL = np.array([[2.0], [9.0], [20.0], [40.0]])
Values = NDArray[np.float64]


def forecaster() -> Forecaster:
    return Forecaster(ForecastProfile(("demand",), BinGrid(HOUR), 3, (0.1, 0.5, 0.9), (6, 24)))


def trade(n_bins: int = 120) -> Values:
    """Return calm counts, (bin, cell, series)."""
    return np.random.default_rng(0).poisson(LEVEL, (n_bins, 4, 1)).astype(np.float64)


def run(model: Forecaster, slabs: Values, first: int = 0) -> Forecast:
    for place, values in enumerate(slabs[first:], first):
        forecast = model.step(Slab(FIRST_BIN + place, values), CELLS, {})[1]
    return forecast


def counts(model: Forecaster) -> dict[str, int]:
    return {name: int(count[0]) for name, count in model.actions.items() if count[0]}


def as_bytes(forecast: Forecast) -> list[bytes]:
    return [forecast.mean.tobytes(), forecast.quantiles.tobytes()]


@pytest.mark.parametrize("factor", [0.0, 15.0])
def test_an_outage_and_a_burst_of_all_cells_are_as_if_nothing_were_known(factor: float) -> None:
    told, missing = trade(), trade()
    told[100:102], missing[100:102] = factor * LEVEL, np.nan
    one, other = forecaster(), forecaster()
    assert as_bytes(run(one, told)) == as_bytes(run(other, missing))
    assert counts(one) == {"outage" if not factor else "shared_burst": 8}
    assert counts(other) == {}


def test_a_burst_of_one_cell_is_suspended_in_it_alone() -> None:
    slabs = trade()
    slabs[100, 1] = 450.0
    model = forecaster()
    run(model, slabs)
    assert counts(model) == {"burst": 1}


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_zeros_of_a_busy_cell_are_as_if_nothing_were_known_of_it(value: float) -> None:
    told, missing = trade(), trade()
    told[100:110, 3], missing[100:110, 3] = value, np.nan
    one, other = forecaster(), forecaster()
    assert as_bytes(run(one, told)) == as_bytes(run(other, missing))
    assert counts(one) == {"outage": 10}


def test_zeros_of_a_busy_cell_are_learnt_when_they_last() -> None:
    slabs = trade(160)
    slabs[100:, 3] = 0.0
    model = forecaster()
    assert run(model, slabs).mean[0, 3, 0] < 8.0
    assert counts(model) == {"outage": 24}


def test_absurd_values_that_last_for_some_bins_are_no_ruin() -> None:
    slabs = trade(160)
    slabs[100:105, 1] = 1e12
    assert run(forecaster(), slabs).mean[0, 1, 0] < 30.0


def test_a_burst_does_not_come_again_a_season_later() -> None:
    slabs = trade(123)
    slabs[100, 1] = 450.0
    forecast = run(forecaster(), slabs)  # its second lead is a season after the burst
    assert forecast.mean[0, 1, 1] < 15.0


def test_forecasts_go_on_through_an_outage() -> None:
    slabs = trade()
    slabs[100:] = 0.0
    forecast = run(forecaster(), slabs)
    assert forecast.mean[0, :, 0] == pytest.approx(LEVEL[:, 0], rel=0.5)


def test_a_correction_that_brings_the_values_of_an_outage_is_taken() -> None:
    slabs = trade(101)
    slabs[100] = 0.0
    model = forecaster()
    run(model, slabs)
    held = model.snapshot()["window/values"][-1]
    assert np.isnan(held).all()
    model.correct(Slab(FIRST_BIN + 100, LEVEL, revision=1))
    assert model.snapshot()["window/values"][-1].tolist() == LEVEL.tolist()


@pytest.mark.parametrize("corrected", [0.0, 14.0])
def test_a_correction_that_still_looks_suspended_stays_so(corrected: float) -> None:
    slabs = trade(101)
    slabs[100] = (0.0 if not corrected else 15.0) * LEVEL
    model = forecaster()
    run(model, slabs)
    model.correct(Slab(FIRST_BIN + 100, corrected * LEVEL, revision=1))
    assert np.isnan(model.snapshot()["window/values"][-1]).all()


def test_a_correction_that_brings_the_values_of_a_silent_cell_is_taken() -> None:
    slabs = trade(101)
    slabs[100, 3] = 0.0
    model = forecaster()
    run(model, slabs)
    held = model.snapshot()["window/values"][-1][:, 0]
    assert np.isnan(held).tolist() == [False, False, False, True]
    model.correct(Slab(FIRST_BIN + 100, slabs[100], revision=1))
    assert np.isnan(model.snapshot()["window/values"][-1][3, 0])
    model.correct(Slab(FIRST_BIN + 100, LEVEL, revision=2))
    assert model.snapshot()["window/values"][-1].tolist() == LEVEL.tolist()


def test_what_the_guards_did_is_kept_in_a_snapshot() -> None:
    slabs = trade()
    slabs[100] = 0.0
    model, other = forecaster(), forecaster()
    run(model, slabs)
    other.restore(model.snapshot())
    assert counts(other) == {"outage": 4}
