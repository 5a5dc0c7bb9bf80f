"""Experts of sparse demand, by numbers worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tidecast.models.experts import make_experts
from tidecast.models.online.croston import CORRECTION, RATE
from tidecast.models.online.tsb import CHANCE_RATE
from tidecast.models.profile import ForecastProfile
from tidecast.models.surroundings import Surroundings
from tidecast.state.bins import BinGrid
from tidecast.state.cells import Cell
from tidecast.state.slabs import Slab
from tidecast.state.window import Window

CELLS = [Cell("here", "all")]


def said(name: str, values: Sequence[float], bins: Sequence[int] = ()) -> list[list[float]]:
    """Return what an expert says, lead by lead, after each of ``values`` of one cell.

    It has no kin, and is young for two bins.
    """
    day, seasons = BinGrid("day"), (2,)
    profile = ForecastProfile(("demand",), day, 3, (0.5,), seasons, (name,), has_kin=False)
    window, surroundings = Window(profile.context_length, 1), Surroundings(profile)
    expert, found = make_experts(profile)[0], []
    for bin_, value in zip(bins or range(100, 100 + len(values)), values, strict=True):
        slab = Slab(bin_, np.array([[value]]))
        window.append(bin_, slab.values)
        _, covariates = surroundings.observe(slab, CELLS, {})
        expert.learn(window, slab, covariates)
        found.append(expert.forecast(window, covariates)[0][0, 0].tolist())
    return found


def test_tsb_is_the_chance_of_demand_times_its_mean_size() -> None:
    assert said("tsb", [0, 4, 0, 8])[-1] == pytest.approx([0.5 * 6.0] * 3)


def test_tsb_fades_when_nothing_is_sold_any_more_and_croston_does_not() -> None:
    values = [2.0, 2.0, *[0.0] * 200]
    (tsb, *_), (croston, *_) = said("tsb", values)[-1], said("croston", values)[-1]
    assert tsb < 2.0 * (1.0 - CHANCE_RATE) ** 150
    assert croston == pytest.approx(2.0 * CORRECTION)


def test_tsb_follows_a_rhythm_that_comes_true() -> None:
    week = [10.0, 20.0, 30.0, 40.0, 50.0, 5.0, 1.0]
    of_lead_1 = [leads[0] for leads in said("tsb", week * 20)[-8:-1]]
    assert of_lead_1 == pytest.approx(week, rel=0.2)


def test_tsb_says_the_level_of_a_flow_without_rhythm() -> None:
    values = 100.0 + 10.0 * np.random.default_rng(7).standard_normal(365)
    found = np.array(said("tsb", values.tolist())[200:])
    assert found.mean() == pytest.approx(100.0, rel=0.02)
    assert np.abs(found[:, 1:] / found[:, :1] - 1.0).mean() < 0.004  # with all of the rhythm: 0.03


def test_croston_is_size_over_interval_moved_with_each_demand_only() -> None:
    size, interval = 6.0 + RATE * (3.0 - 6.0), 2.0 + RATE * (4.0 - 2.0)
    expected = CORRECTION * size / interval
    assert said("croston", [0, 6, 0, 0, 0, 3])[-1] == pytest.approx([expected] * 3)
    assert said("croston", [0, 6, 0, 0, 0, 3, 0, 0])[-1] == pytest.approx([expected] * 3)


@pytest.mark.parametrize("name", ["tsb", "croston"])
def test_a_bin_without_a_value_moves_nothing(name: str) -> None:
    weeks = range(100, 142, 7)  # other days of the week are not known: they are as usual as any
    expected = said(name, [0, 4, 0, 8], weeks[:4])[-1]
    assert said(name, [0, 4, np.nan, 0, np.nan, 8], weeks)[-1] == pytest.approx(expected)


def test_last_value_goes_on_with_the_mean_change_of_a_bin() -> None:
    found = said("last_value", [10.0 + 3.0 * n for n in range(400)])[-1]
    assert found == pytest.approx([10.0 + 3.0 * n for n in range(400, 403)], rel=0.01)


def test_last_value_counts_the_bins_since_it_came() -> None:
    rising = [10.0 + 3.0 * n for n in range(400)]
    (*_, at_once), (*_, later) = (
        said("last_value", [*rising, *nothing]) for nothing in ([], [np.nan, np.nan])
    )
    assert later[0] == at_once[2]
    bins = [*range(100, 500), 502]
    assert said("last_value", [*rising, np.nan], bins)[-1][0] == pytest.approx(later[0] + 3.0, 0.01)
