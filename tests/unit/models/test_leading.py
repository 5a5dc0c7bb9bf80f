"""Streams that lead others are found, by the true lag, and nothing is found where nothing leads."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from tidecast.models.online.leading import LeadingExpert
from tidecast.models.profile import ForecastProfile
from tidecast.models.surroundings import Surroundings
from tidecast.state.bins import HOUR, BinGrid
from tidecast.state.cells import Cell
from tidecast.state.slabs import Slab
from tidecast.state.window import Window

FIRST_BIN = 480_000
WEEK, HORIZON, N_CELLS = 168, 5, 8
CELLS = [Cell(f"region {n}", "x") for n in range(N_CELLS)]
Values = NDArray[np.float64]


class World:
    """What stands around the expert in a forecaster."""

    def __init__(self, n_series: int = 2) -> None:
        names, grid = ("clicks", "orders", "views")[:n_series], BinGrid(HOUR)
        seasons = grid.season_lengths()
        profile = ForecastProfile(names, grid, HORIZON, (0.5,), seasons, ("leading",))
        self.window = Window(profile.context_length, n_series)
        self.surroundings = Surroundings(profile)
        self.expert = LeadingExpert(profile)

    def run(self, values: Values, first: int = 0) -> Values:
        """Return the means after each bin of values (bin, cell, series)."""
        return np.stack([self.step(FIRST_BIN + first + n, slab) for n, slab in enumerate(values)])

    def step(self, bin_: int, values: Values) -> Values:
        slab, covariates = self.surroundings.observe(Slab(bin_, values), CELLS[: len(values)], {})
        self.window.append(bin_, slab.values)
        self.expert.learn(self.window, slab, covariates)
        mean, _ = self.expert.forecast(self.window, covariates)
        return np.asarray(mean, np.float64)


def waves(chance: np.random.Generator, n_bins: int, kept: float, n_cells: int = N_CELLS) -> Values:
    """Return factors that wander by 40 %, half of it all cells together: (bin, cell)."""
    shocks = chance.normal(size=(n_bins, n_cells)) + chance.normal(size=(n_bins, 1))
    for now, before in zip(shocks[1:], shocks, strict=False):
        now[:] = kept * before + np.sqrt(1.0 - kept**2) * now
    return np.exp(0.4 * shocks / np.sqrt(2.0) - 0.08)


def season(n_bins: int) -> Values:
    return 1.0 + 0.8 * np.sin(2 * np.pi * np.arange(n_bins) / 24)[:, None]


def shop(*lags: int, n_weeks: int = 4, kept: float = 0.8) -> Values:
    """Return clicks, and orders of a tenth of them so many bins before: (bin, cell, series)."""
    chance = np.random.default_rng(4)
    usual = season(n_weeks * WEEK) * np.linspace(50.0, 300.0, N_CELLS)
    clicks = chance.poisson(usual * waves(chance, len(usual), kept))
    before = sum(np.roll(clicks, lag, axis=0) for lag in lags)
    return np.stack([clicks, chance.poisson(0.1 * before)], axis=2).astype(np.float64)


@cache
def led_by_three() -> tuple[Values, Values, World]:
    world, values = World(), shop(3)
    return values, world.run(values), world


def rmse(said: Values, values: Values, lead: int) -> float:
    """Return the error of orders in the last two weeks."""
    away = said[:-lead, 1, :, lead - 1] - values[lead:, :, 1]
    return float(np.sqrt((away[-2 * WEEK :] ** 2).mean()))


def test_the_true_lag_is_found_at_every_lead_that_may_know_it() -> None:
    _, _, world = led_by_three()
    assert world.expert.lags["orders"][:3] == (frozenset({("clicks", 3)}),) * 3
    assert all(lag >= 4 for _, lag in world.expert.lags["orders"][3])
    assert not any(world.expert.lags["clicks"])


def test_what_leads_is_worth_a_tenth_of_the_error_and_more() -> None:
    values, said, _ = led_by_three()
    by_chance = np.sqrt(0.1 * values[-2 * WEEK :, :, 0].mean())  # of orders, clicks known
    assert rmse(said, values, 3) < 1.2 * by_chance
    assert rmse(said, values, 3) < 0.8 * rmse(said, values, 5)


def test_what_is_not_led_is_not_spoken_of() -> None:
    _, said, _ = led_by_three()
    assert np.isnan(said[-1, 0]).all()
    assert np.isfinite(said[-1, 1]).all()


def test_several_lags_are_found() -> None:
    world = World()
    world.run(shop(2, 5))
    assert world.expert.lags["orders"][0] == {("clicks", 2), ("clicks", 5)}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("shocks", ["none", "common", "apart"])
def test_nothing_is_found_where_only_seasons_or_shocks_are_shared(shocks: str, seed: int) -> None:
    chance = np.random.default_rng(seed)
    usual = season(3 * WEEK)[:, :, None] * np.linspace(20.0, 200.0, N_CELLS)[:, None]
    usual = usual * np.array([1.0, 0.1])
    if shocks == "common":  # they come and go in one bin, in both series
        usual = usual * waves(chance, len(usual), kept=0.0)[:, :, None]
    if shocks == "apart":  # they stay for hours, in each series its own
        usual = usual * np.stack([waves(chance, len(usual), kept=0.8) for _ in range(2)], axis=2)
    world = World()
    said = world.run(chance.poisson(usual).astype(np.float64))
    assert np.isnan(said).all()


def test_of_one_series_nothing_is_learnt() -> None:
    world = World(1)
    before = [array.nbytes for array in world.expert.snapshot().values()]
    assert np.isnan(world.run(shop(3, n_weeks=1)[:, :, :1])).all()
    assert [array.nbytes for array in world.expert.snapshot().values()] == before


def test_a_forecast_depends_on_no_later_bin_and_a_restored_expert_goes_on_to_the_byte() -> None:
    values, said, world = led_by_three()
    state = world.expert.snapshot()
    other = values.copy()
    other[-40:] *= 3.0
    fresh = World()
    fresh.run(values[:-100])
    again = World()
    again.window, again.surroundings = fresh.window, fresh.surroundings
    again.expert.restore({name: array.copy() for name, array in fresh.expert.snapshot().items()})
    found = again.run(other[-100:], first=len(values) - 100)
    assert found[:60].tobytes() == said[-100:-40].tobytes()
    assert found[61:].tobytes() != said[-39:].tobytes()
    assert {name: array.shape for name, array in again.expert.snapshot().items()} == {
        name: array.shape for name, array in state.items()
    }


def test_a_burst_a_gap_and_a_new_cell_leave_it_sane() -> None:
    values = shop(3)
    at = len(values) - 2 * WEEK
    values[at] *= 50.0
    values[at + 40 : at + 50] = np.nan
    world = World()
    *_, last = (
        world.step(FIRST_BIN + n, slab[: N_CELLS if n > at else N_CELLS - 1])
        for n, slab in enumerate(values)
    )
    _, calm, _ = led_by_three()
    assert world.expert.lags["orders"][2] == {("clicks", 3)}
    assert last[1, :-1] == pytest.approx(calm[-1, 1, :-1], rel=0.3)
    assert np.isfinite(last[1]).all()


def test_what_another_stream_tells_is_a_part_of_the_forecast() -> None:
    values, said, world = led_by_three()
    covariates = world.surroundings.known_after(FIRST_BIN + len(values) - 1, CELLS, {})
    for cell in range(N_CELLS):
        parts = world.expert.explain(world.window, covariates, cell)
        whole = np.sum(list(parts.values()), axis=0)
        assert np.allclose(whole, said[-1, :, cell], rtol=1e-5, equal_nan=True)
        told = np.abs(parts["leading_stream"][1, :3])  # clicks are three bins ahead of orders
        assert (told > 0.0).all()
