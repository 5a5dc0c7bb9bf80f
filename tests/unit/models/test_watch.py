"""Forecasts without sense are put to sleep, and diverged experts begin anew."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.covariates import Covariates
from tidecast.models.forecaster import Forecaster
from tidecast.models.guard import PATIENCE
from tidecast.models.online.time_of_week import TimeOfWeek
from tidecast.models.profile import ForecastProfile
from tidecast.models.watch import Watch
from tidecast.state.bins import HOUR, BinGrid
from tidecast.state.cells import Cell
from tidecast.state.slabs import Slab
from tidecast.state.window import Window

PROFILE = ForecastProfile(
    ("demand",), BinGrid(HOUR), 2, (0.1, 0.5, 0.9), (6,), ("seasonal_naive", "time_of_week")
)
CEILING = np.full((1, 4, 1), 10.0, np.float32)


def said(*of_cells: float) -> NDArray[np.float32]:
    """Return what two experts say of one series and lead; the second of them is calm."""
    means = np.full((2, 1, 4, 1), 3.0, np.float32)
    means[0, 0, :, 0] = of_cells
    return means


def test_a_little_too_much_is_cut_off_and_what_has_no_sense_sleeps() -> None:
    found = Watch(2).within(said(-1.0, 50.0, 101.0, -np.inf), CEILING)
    expected = [0.0, 10.0, np.nan, np.nan]
    np.testing.assert_array_equal(found[0, 0, :, 0], expected)
    assert (found[1] == 3.0).all()


def test_an_expert_diverges_when_most_of_its_cells_have_for_a_few_bins() -> None:
    watch = Watch(2)
    diverged = []
    for _ in range(2 * PATIENCE + 2):
        watch.within(said(1e9, 1e9, 1e9, 1.0), CEILING)
        diverged.append(watch.diverged())
    assert diverged == 2 * [*[[]] * PATIENCE, [0]]
    assert watch.resets.tolist() == [2, 0]


def test_neither_sleep_nor_half_of_the_cells_is_divergence() -> None:
    watch = Watch(2)
    for means in (said(*[np.nan] * 4), said(1e9, 1e9, 1.0, 1.0)):
        for _ in range(2 * PATIENCE):
            watch.within(means, CEILING)
            assert watch.diverged() == []


def test_a_sane_bin_ends_the_count() -> None:
    watch = Watch(2)
    for _ in range(3):
        for _ in range(PATIENCE):
            watch.within(said(*[1e9] * 4), CEILING)
        watch.within(said(*[1.0] * 4), CEILING)
        assert watch.diverged() == []


def test_cells_that_never_traded_are_no_reason_to_call_a_forecast_insane() -> None:
    ceiling = np.array([0.0, 0.0, 0.0, 10.0], np.float32)[None, :, None]
    found = Watch(2).within(said(0.1, 9.0, 0.0, 5.0), ceiling)
    assert found[0, 0, :, 0].tolist() == [0.0, 0.0, 0.0, 5.0]


def test_no_cells_are_no_divergence() -> None:
    watch = Watch(2)
    for _ in range(2 * PATIENCE):
        watch.within(np.zeros((2, 1, 0, 1), np.float32), CEILING[:, :0])
    assert watch.diverged() == []


class Diverging(TimeOfWeek):
    """An expert whose forecasts grow without end."""

    def forecast(
        self, window: Window, covariates: Covariates
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        mean, scale = super().forecast(window, covariates)
        return mean * np.float32(1e6), scale


def test_a_diverged_expert_is_left_out_and_replaced() -> None:
    model = Forecaster(PROFILE)
    random = np.random.default_rng(0)
    cells = [Cell(f"region {n}", "x") for n in range(4)]
    spoke = []
    for bin_ in range(30):
        if bin_ == 20:
            model.panel.experts = (model.panel.experts[0], Diverging(PROFILE))
        values = random.poisson(5.0, (4, 1)).astype(np.float64)
        forecast = model.step(Slab(480_000 + bin_, values), cells, {})[1]
        spoke.append("time_of_week" in forecast.weights)
        assert (forecast.mean < 50.0).all()
    assert [bin_ for bin_, said_so in enumerate(spoke) if not said_so] == [20, 21, 22, 23]
    assert type(model.panel.experts[1]) is TimeOfWeek
    assert model.resets == {"seasonal_naive": 0, "time_of_week": 1}
