"""Effects of what is known ahead."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.effects import LARGEST, Effects
from tidecast.models.profile import ForecastProfile
from tidecast.state.bins import BinGrid

PROFILE = ForecastProfile(("demand",), BinGrid("day"), 3, (0.5,), (7,))
N_CELLS = 40
Values = NDArray[np.float64]


def learnt(
    n_bins: int, terms_of: dict[int, Values], effect: float, shock: float = 0.0, seed: int = 0
) -> Effects:
    """Return effects learnt from counts of 20 on which one term acts in the bins given."""
    random = np.random.default_rng(seed)
    effects = Effects(PROFILE, (4.0,))
    usual = np.full((N_CELLS, 1), 20.0)
    for bin_ in range(n_bins):
        terms = terms_of.get(bin_, np.zeros((1, N_CELLS, 1)))
        mean = usual * (1.0 + effect * terms[0]) * np.exp(shock * random.normal())
        effects.learn(random.poisson(mean).astype(np.float64), usual, terms)
    return effects


EVERYWHERE = np.ones((1, N_CELLS, 1))
IN_HALF = (np.arange(N_CELLS) % 2).astype(float).reshape(1, N_CELLS, 1)


def test_an_effect_is_learnt_within_a_few_bins_and_all_the_more_with_more() -> None:
    few, many = (
        learnt(120, dict.fromkeys(range(60, 60 + n), EVERYWHERE), 1.0).factors(EVERYWHERE)
        for n in (1, 20)
    )
    assert (few > 1.5).all()
    assert (few < many).all()
    assert np.allclose(many, 2.0, atol=0.1)


def test_an_effect_in_some_cells_is_told_from_a_shock_of_all() -> None:
    shocked = [
        learnt(200, dict.fromkeys(range(100, 110), IN_HALF), 0.5, shock=0.4, seed=seed)
        for seed in range(10)
    ]
    found = [model.factors(EVERYWHERE)[0, 0] for model in shocked]
    assert np.allclose(found, 1.5, atol=0.1)


def test_a_shock_of_all_cells_in_one_bin_is_one_observation() -> None:
    found = [
        learnt(101, {100: EVERYWHERE}, 0.0, shock=0.4, seed=seed).factors(EVERYWHERE)[0, 0]
        for seed in range(10)
    ]
    assert np.abs(np.array(found) - 1.0).mean() < 0.25


def test_without_terms_every_factor_is_exactly_one() -> None:
    model = learnt(60, {40: EVERYWHERE}, 3.0)
    assert (model.factors(np.zeros((1, N_CELLS, 1))) == 1.0).all()


def test_a_change_of_level_is_no_effect() -> None:
    model = Effects(PROFILE, (4.0,))
    usual = np.full((N_CELLS, 1), 20.0)
    for bin_ in range(60):
        terms = EVERYWHERE * (bin_ >= 50)
        model.learn(usual * (1.0 if bin_ < 30 else 2.0), usual, terms)
    assert np.allclose(model.factors(EVERYWHERE), 1.0, atol=0.05)


def test_young_cells_and_missing_values_teach_nothing() -> None:
    assert (learnt(14, dict.fromkeys(range(14), EVERYWHERE), 1.0).factors(EVERYWHERE) == 1.0).all()
    model = learnt(60, {}, 1.0)
    model.learn(np.full((N_CELLS, 1), np.nan), np.full((N_CELLS, 1), 20.0), EVERYWHERE)
    assert (model.factors(EVERYWHERE) == 1.0).all()


def test_factors_stay_within_reason() -> None:
    model = learnt(90, dict.fromkeys(range(40, 90), EVERYWHERE), 100.0)
    assert (model.factors(EVERYWHERE) == LARGEST).all()
    assert (model.factors(-EVERYWHERE) == 0.0).all()


def test_huge_values_leave_effects_finite() -> None:
    model = learnt(60, {}, 0.0)
    for value in (1e15, 0.0):
        model.learn(np.full((N_CELLS, 1), value), np.full((N_CELLS, 1), 1e-9), EVERYWHERE)
        assert np.isfinite(model.factors(EVERYWHERE)).all()
