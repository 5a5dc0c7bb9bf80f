"""Space-time terms, weighed alike everywhere or cell by cell."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tidecast.models.neighbours import N_NEIGHBOURS, over_neighbours
from tidecast.models.online.autoregression import Coefficients
from tidecast.models.online.geographic import LocalCoefficients
from tidecast.models.online.space_time import SpaceTime
from tidecast.models.online.standard import CLIP
from tidecast.models.online.starima import PooledCoefficients

N_CELLS = 40
LINE = np.arange(N_CELLS)[:, None] + np.array([-1, 1, -2, 2])
NEAR = np.where((LINE >= 0) & (LINE < N_CELLS), LINE, -1)
Values = NDArray[np.float64]


def taught(coefficients: Coefficients, own: Values, near: float, n_bins: int = 400) -> SpaceTime:
    """Teach departures that follow ``own``, (cell, 1), and ``near`` times those before them."""
    space, chance = SpaceTime(1, season=6), np.random.default_rng(0)
    departure = np.zeros((N_CELLS, 1))
    space.grow(N_CELLS)
    coefficients.grow(N_CELLS)
    for _ in range(n_bins):
        mean = own * departure + near * over_neighbours(departure, NEAR)
        departure = mean + 0.3 * chance.normal(size=departure.shape)
        terms = space.terms(NEAR)
        expected = coefficients.expect(terms)
        coefficients.learn(terms, departure, NEAR)
        space.learn(departure, expected)
    return space


def test_starima_finds_what_a_cell_and_its_neighbours_lead_to() -> None:
    pooled = PooledCoefficients(1, n_terms=len(SpaceTime(1, 6).names))
    names = taught(pooled, np.full((N_CELLS, 1), 0.3), near=0.5).names
    found = dict(zip(names, pooled.values[0], strict=True))
    # an error is in the lag too: what they weigh together is what is told by the data
    assert found["lag_1"] + found["error"] == pytest.approx(0.3, abs=0.06)
    assert found["near_1"] + found["near_error"] == pytest.approx(0.5, abs=0.06)
    assert abs(found["season"]) < 0.05


def test_coefficients_are_those_around_a_cell_where_they_differ_by_place() -> None:
    own = np.where(np.arange(N_CELLS) < N_CELLS / 2, 0.8, -0.8)[:, None]
    local = LocalCoefficients(1, n_terms=len(SpaceTime(1, 6).names))
    names = taught(local, own, near=0.0).names
    lag = local.values[:, 0, names.index("lag_1")] + local.values[:, 0, names.index("error")]
    assert lag[: N_CELLS // 2 - 2].min() > 0.4
    assert lag[N_CELLS // 2 + 2 :].max() < -0.4


def test_a_new_cell_begins_with_the_coefficients_of_all() -> None:
    local = LocalCoefficients(1, n_terms=len(SpaceTime(1, 6).names))
    taught(local, np.full((N_CELLS, 1), 0.6), near=0.0, n_bins=100)
    local.grow(N_CELLS + 1)
    usual = local.values[:N_CELLS].mean(axis=0)
    assert local.values[N_CELLS] == pytest.approx(usual, abs=0.1)


def test_bins_ahead_follow_from_those_expected_before_them_and_stay_in_reach() -> None:
    space = SpaceTime(1, season=0)
    space.grow(1)
    space.learn(np.array([[1.0]]), np.array([[0.5]]))
    alone = np.full((1, N_NEIGHBOURS), -1)
    halved = space.ahead(3, alone, lambda terms: 0.5 * terms[space.names.index("lag_1")])
    assert halved[:, 0, 0].tolist() == [0.5, 0.25, 0.125]
    errors = space.ahead(3, alone, lambda terms: terms[space.names.index("error")])
    assert errors[:, 0, 0].tolist() == [0.5, 0.0, 0.0]
    burst = space.ahead(3, alone, lambda terms: 1e9 * terms[0])
    assert burst[:, 0, 0].tolist() == [CLIP] * 3


def test_a_season_ago_is_a_season_ago_over_skipped_bins() -> None:
    space = SpaceTime(1, season=5)
    space.grow(1)
    space.learn(np.array([[3.0]]), np.zeros((1, 1)))
    space.skip(4)
    terms = space.terms(np.full((1, N_NEIGHBOURS), -1))
    assert terms[space.names.index("season"), 0, 0] == 3.0
    assert terms[space.names.index("error"), 0, 0] == 0.0
