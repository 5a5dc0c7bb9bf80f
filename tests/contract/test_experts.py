"""Laws that every expert keeps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tidecast.models.covariates import Covariates
from tidecast.models.experts import EXPERTS, Expert, make_experts
from tidecast.models.parts import PARTS, Parts
from tidecast.models.periodic.refits import Refits
from tidecast.models.profile import ForecastProfile
from tidecast.models.surroundings import Surroundings
from tidecast.state.bins import HOUR, BinGrid
from tidecast.state.cells import Cell
from tidecast.state.errors import SettingsError
from tidecast.state.settings.experts import EXPERT_NAMES
from tidecast.state.slabs import Slab
from tidecast.state.window import Window

FIRST_BIN = 480_000
HORIZON = 5
POSITIONS = {f"region {n}": (50.0 + n, 5.0) for n in range(4)}
Values = NDArray[np.float64]


def profile(*experts: str) -> ForecastProfile:
    return ForecastProfile(
        series=("demand", "traffic"),
        grid=BinGrid(HOUR, "Europe/Berlin"),
        horizon=HORIZON,
        quantile_levels=(0.1, 0.5, 0.9),
        season_lengths=(6, 24),
        experts=experts or tuple(EXPERTS),
    )


class World:
    """What stands around an expert in a forecaster: window and surroundings."""

    def __init__(self, name: str, given: ForecastProfile | None = None) -> None:
        self.profile = given or profile(name)
        self.window = Window(self.profile.context_length, self.profile.n_series)
        self.surroundings = Surroundings(self.profile)
        self.expert: Expert = make_experts(self.profile)[0]

    def observe(self, bin_: int, values: Values) -> tuple[Slab, Covariates]:
        cells = [Cell(f"region {n % 5}", f"category {n // 5}") for n in range(len(values))]
        self.window.append(bin_, values)
        return self.surroundings.observe(Slab(bin_, values), cells, POSITIONS)

    def forecast(self, bin_: int, values: Values) -> tuple[NDArray[np.float32], ...]:
        Refits((self.expert,), at_once=True).make()
        slab, covariates = self.observe(bin_, values)
        self.expert.learn(self.window, slab, covariates)
        return self.expert.forecast(self.window, covariates)

    def run(self, slabs: Iterable[Values]) -> Iterator[tuple[NDArray[np.float32], ...]]:
        for bin_, values in enumerate(slabs, FIRST_BIN):
            yield self.forecast(bin_, values)


def rhythm(n_bins: int, n_cells: int, seed: int = 0) -> list[Values]:
    """Return counts with a daily rhythm, some of them missing: slabs of (cell, series)."""
    random = np.random.default_rng(seed)
    day = 1.0 + np.sin(np.arange(n_bins) * 2 * np.pi / 24)
    level = np.linspace(1.0, 40.0, n_cells)[:, None] * np.array([1.0, 3.0])
    counts = random.poisson(day[:, None, None] * level).astype(np.float64)
    counts[random.random(counts.shape) < 0.05] = np.nan
    return list(counts)


WITHOUT_SEASONS = {"croston", "last_value"}


def is_sound(mean: NDArray[np.float32]) -> bool:
    """Tell whether the mean of each series is finite, or all of it NaN: the expert sleeps."""
    return all(np.isfinite(one).all() or np.isnan(one).all() for one in mean)


every_expert = pytest.mark.parametrize("name", sorted(EXPERTS))

FILLS_UP = ("trees",)
"""Experts whose memory is full after months only: its bound has a test of its own."""

HARD = {
    "no cells": [np.zeros((0, 2))] * 40,
    "constant": [np.full((3, 2), 7.0)] * 40,
    "zero": [np.zeros((3, 2))] * 40,
    "nothing known": [np.full((3, 2), np.nan)] * 40,
    "huge": [np.full((3, 2), 1e15)] * 40,
    "huge among small": [
        np.full((3, 2), 1e15 if n in (20, 30, 31, 32) else 1.0) for n in range(60)
    ],
    "a burst at the very start": [np.full((3, 2), 1e6 if n == 0 else 1.0) for n in range(60)],
    "one value only": [np.full((3, 2), 5.0 if n == 3 else np.nan) for n in range(40)],
    "tiny": [np.full((3, 2), 1e-12 * (n % 3)) for n in range(40)],
}


@every_expert
@pytest.mark.parametrize("case", HARD)
def test_a_forecast_is_finite_and_its_scale_positive_whatever_came_before(
    name: str, case: str
) -> None:
    slabs = HARD[case]
    for mean, scale in World(name).run(slabs):
        assert mean.shape == scale.shape == (2, len(slabs[0]), HORIZON)
        assert is_sound(mean)
        assert np.isfinite(scale).all()
        assert (scale > 0).all()


@every_expert
@pytest.mark.parametrize("horizon", [1, 12])
def test_bins_of_seconds_which_have_no_season_are_forecast(name: str, horizon: int) -> None:
    seconds = BinGrid(10_000_000)
    assert seconds.season_lengths() == ()
    given = replace(profile(name), grid=seconds, horizon=horizon, season_lengths=())
    for mean, scale in World(name, given).run(rhythm(40, 3)):
        assert mean.shape == (2, 3, horizon)
        assert is_sound(mean)
        assert (scale > 0).all()


@every_expert
def test_inputs_are_not_changed(name: str) -> None:
    world = World(name)
    *_, _ = world.run(rhythm(60, 4))
    values = rhythm(61, 4)[-1]
    slab, covariates = world.observe(FIRST_BIN + 60, values)
    inputs = [
        world.window.values,
        slab.values,
        covariates.neighbours,
        covariates.level,
        covariates.scale,
        covariates.usual_now,
        covariates.usual_ahead,
    ]
    before = [array.tobytes() for array in inputs]
    world.expert.learn(world.window, slab, covariates)
    world.expert.forecast(world.window, covariates)
    assert [array.tobytes() for array in inputs] == before


@every_expert
def test_what_was_forecast_does_not_change_later(name: str) -> None:
    world = World(name)
    slabs = rhythm(60, 4)
    said = list(world.run(slabs))[-1]
    before = [array.tobytes() for array in said]
    for bin_, values in enumerate(rhythm(30, 4, seed=1), FIRST_BIN + 60):
        world.forecast(bin_, values)
    assert [array.tobytes() for array in said] == before


@every_expert
def test_new_cells_are_welcome_at_any_bin(name: str) -> None:
    world = World(name)
    slabs = rhythm(60, 6)
    for bin_, values in enumerate(slabs, FIRST_BIN):
        n_cells = 1 + (bin_ - FIRST_BIN) // 10
        mean, scale = world.forecast(bin_, values[:n_cells])
        assert mean.shape == scale.shape == (2, n_cells, HORIZON)
        assert is_sound(mean)


@every_expert
def test_skipped_bins_are_survived(name: str) -> None:
    world = World(name)
    *_, _ = world.run(rhythm(60, 4))
    for gap in (1, 7, 23, 10_000):
        mean, _ = world.forecast(FIRST_BIN + 60 + gap, rhythm(1, 4)[0])
        assert is_sound(mean)


@every_expert
def test_a_restored_expert_goes_on_to_the_byte(name: str) -> None:
    one, other = World(name), World(name)
    for world in (one, other):
        *_, _ = world.run(rhythm(60, 4))
    fresh = make_experts(one.profile)[0]
    kept = {key: array.copy() for key, array in one.expert.snapshot().items()}
    fresh.restore(kept)
    other.expert = fresh
    for bin_, values in enumerate(rhythm(40, 6, seed=2), FIRST_BIN + 60):
        expected, found = one.forecast(bin_, values), other.forecast(bin_, values)
        assert [a.tobytes() for a in found] == [a.tobytes() for a in expected]
    assert all(kept[key].tobytes() == array.tobytes() for key, array in kept.items())


@every_expert
def test_a_snapshot_is_arrays_of_numbers_and_does_not_change_later(name: str) -> None:
    world = World(name)
    *_, _ = world.run(rhythm(60, 4))
    snapshot = world.expert.snapshot()
    assert all(array.dtype.kind in "fiub" for array in snapshot.values())
    before = {key: array.tobytes() for key, array in snapshot.items()}
    for bin_, values in enumerate(rhythm(30, 4, seed=1), FIRST_BIN + 60):
        world.forecast(bin_, values)
    assert {key: array.tobytes() for key, array in snapshot.items()} == before


@every_expert
def test_memory_does_not_grow_with_bins(name: str) -> None:
    world = World(name)
    sizes = [
        sum(array.nbytes for array in world.expert.snapshot().values())
        for _ in world.run(rhythm(200, 4))
    ]
    assert sizes[-1] == sizes[60] or name in FILLS_UP


@every_expert
def test_one_burst_breaks_nothing_for_good(name: str) -> None:
    calm, burst = World(name), World(name)
    slabs = rhythm(400, 4)
    expected = list(calm.run(slabs))[-1][0]
    slabs[200] = 50.0 * (1.0 + np.nan_to_num(slabs[200]))
    found = list(burst.run(slabs))[-1][0]
    assert is_sound(found)
    both = np.isfinite(found) & np.isfinite(expected)  # who sleeps says nothing wrong
    assert np.allclose(found[both], expected[both], rtol=0.1, atol=1.0)


@every_expert
def test_most_of_a_lasting_shift_is_learnt_within_five_weeks(name: str) -> None:
    world = World(name)
    slabs = [np.full((3, 2), 10.0 if n < 100 else 100.0) for n in range(940)]
    mean = list(world.run(slabs))[-1][0]
    assert is_sound(mean)
    assert not ((mean < 60.0) | (mean > 110.0)).any()


@pytest.mark.parametrize("name", sorted(EXPERTS.keys() - WITHOUT_SEASONS))
def test_a_season_is_kept_in_step_over_skipped_bins(name: str) -> None:
    world = World(name)
    season = [0.0, 10.0, 20.0, 60.0, 20.0, 10.0]
    for bin_ in [*range(FIRST_BIN, FIRST_BIN + 240), FIRST_BIN + 244]:
        mean, _ = world.forecast(bin_, np.full((3, 2), season[bin_ % 6]))
    expected = [season[(FIRST_BIN + 244 + lead) % 6] for lead in range(1, HORIZON + 1)]
    assert is_sound(mean)
    assert not np.abs(mean - expected).mean() >= 10.0


def whole(parts: Parts) -> Values:
    return np.asarray(sum(parts.values()))


def size(parts: Parts) -> Values:
    return np.asarray(sum(np.abs(part) for part in parts.values()))


@every_expert
@pytest.mark.parametrize("case", [*HARD, "cells that join"])
def test_parts_add_up_to_the_mean_of_every_cell(name: str, case: str) -> None:
    world = World(name)
    joining = [*(slab[:4] for slab in rhythm(100, 6)), *rhythm(100, 6, seed=1)]
    for bin_, values in enumerate(HARD.get(case, joining), FIRST_BIN):
        Refits((world.expert,), at_once=True).make()
        slab, covariates = world.observe(bin_, values)
        world.expert.learn(world.window, slab, covariates)
        mean, _ = world.expert.forecast(world.window, covariates)
        if (bin_ - FIRST_BIN) % 100 > 4 and (bin_ - FIRST_BIN) % 13:
            continue
        for cell in range(len(values)):
            parts = world.expert.explain(world.window, covariates, cell)
            assert set(parts) <= set(PARTS)
            assert all(part.shape == mean[:, cell].shape for part in parts.values())
            away = np.abs(whole(parts) - mean[:, cell])
            asleep = np.isnan(mean[:, cell])
            assert (np.isnan(away) == asleep).all()
            assert (away[~asleep] <= 1e-5 * size(parts)[~asleep]).all()


@every_expert
def test_explaining_changes_nothing(name: str) -> None:
    world = World(name)
    *_, _ = world.run(rhythm(60, 4))
    slab, covariates = world.observe(FIRST_BIN + 60, rhythm(61, 5)[-1])
    world.expert.learn(world.window, slab, covariates)
    mean, _ = world.expert.forecast(world.window, covariates)
    before = {key: array.copy() for key, array in world.expert.snapshot().items()}
    for cell in range(5):
        world.expert.explain(world.window, covariates, cell)
    after = world.expert.snapshot()
    assert {k: a.tobytes() for k, a in after.items()} == {k: a.tobytes() for k, a in before.items()}
    again, _ = world.expert.forecast(world.window, covariates)
    assert again.tobytes() == mean.tobytes()


@every_expert
def test_an_expert_that_has_just_begun_anew_can_be_asked_what_it_would_say(name: str) -> None:
    world = World(name)
    *_, _ = world.run(rhythm(30, 4))
    _, covariates = world.observe(FIRST_BIN + 30, rhythm(31, 4)[-1])
    fresh = make_experts(world.profile)[0]
    before = {key: array.tobytes() for key, array in fresh.snapshot().items()}
    parts = fresh.explain(world.window, covariates, 3)
    assert is_sound(whole(parts).astype(np.float32))
    assert {key: array.tobytes() for key, array in fresh.snapshot().items()} == before


def test_seasonal_naive_looks_whole_seasons_back_for_leads_beyond_a_season() -> None:
    short = ForecastProfile(("one",), BinGrid(HOUR), 7, (0.5,), (3,), ("seasonal_naive",))
    *_, (mean, _) = World("seasonal_naive", short).run(
        np.full((1, 1), float(bin_ % 3)) for bin_ in range(11)
    )
    assert mean[0, 0].tolist() == [float((10 + lead) % 3) for lead in range(1, 8)]


def test_every_expert_may_be_named_in_the_settings() -> None:
    assert tuple(EXPERTS) == EXPERT_NAMES


def test_an_unknown_expert_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match=r"'oracle' is unknown; use some of .*linear"):
        make_experts(profile("oracle"))
