"""What the forecasts of a series were off by of late, and what is made of it."""

from __future__ import annotations

import numpy as np

from tidecast.models.amiss import LARGEST, SMALLEST, Amiss

SEASON, N_CELLS, LEVEL = 7, 5, 4.0


def said(share: float = 1.0) -> np.ndarray:
    """Return a forecast of the next bin, (series, cell), that is this share of the level."""
    return np.full((1, N_CELLS), LEVEL * share, np.float32)


def experienced(n_bins: int = 100, seed: int = 0) -> Amiss:
    """Return what saw counts that were forecast as well as can be."""
    amiss, rng = Amiss(1, SEASON), np.random.default_rng(seed)
    for _ in range(n_bins):
        amiss.say(said())
        amiss.learn(rng.poisson(LEVEL, (1, N_CELLS)).astype(np.float64))
    return amiss


def let_pass(amiss: Amiss, actual: float, n_bins: int, share: float = 1.0) -> float:
    """Return the factor after bins in which every cell sold ``actual`` times its level."""
    for _ in range(n_bins):
        amiss.say(said(share))
        amiss.learn(np.full((1, N_CELLS), LEVEL * actual))
    return amiss.factor().item()


def test_noise_is_nothing_amiss() -> None:
    shops = [experienced(n_bins, seed) for seed in range(10) for n_bins in (50, 99)]
    factors = np.array([shop.factor().item() for shop in shops])
    assert np.mean(factors == 1.0) >= 0.9
    assert np.abs(factors - 1.0).max() < 0.1


def test_a_shop_that_dies_away_is_forecast_lower_within_days() -> None:
    assert let_pass(experienced(), actual=0.0, n_bins=1) == 1.0
    assert SMALLEST <= let_pass(experienced(), actual=0.0, n_bins=7) < 0.9


def test_a_shop_that_grows_is_forecast_higher() -> None:
    assert LARGEST >= let_pass(experienced(), actual=2.0, n_bins=7) > 1.1


def test_one_burst_is_no_reason() -> None:
    assert let_pass(experienced(), actual=1000.0, n_bins=1) == 1.0
    amiss = experienced()
    let_pass(amiss, actual=1000.0, n_bins=1)
    assert let_pass(amiss, actual=1.0, n_bins=7) == 1.0


def test_experts_that_have_followed_are_left_alone() -> None:
    amiss = experienced()
    assert let_pass(amiss, actual=0.5, n_bins=7) < 0.9
    assert let_pass(amiss, actual=0.5, n_bins=28, share=0.5) == 1.0


def test_little_is_believed_of_little_evidence() -> None:
    factors = [let_pass(experienced(), actual=actual, n_bins=10) for actual in (0.9, 0.6, 0.3)]
    assert factors[0] == 1.0
    assert factors[0] > factors[1] > factors[2]
    assert factors[1] > 0.6  # not all of what it was off by


def test_nothing_is_judged_before_the_noise_is_known() -> None:
    assert let_pass(experienced(4), actual=0.0, n_bins=7) == 1.0


def test_a_bin_that_is_not_known_says_nothing() -> None:
    amiss = experienced()
    let_pass(amiss, actual=0.0, n_bins=7)
    before = amiss.factor()
    amiss.say(said())
    amiss.learn(np.full((1, N_CELLS), np.nan))
    assert amiss.factor() == before


def test_each_series_is_on_its_own() -> None:
    amiss, rng = Amiss(2, SEASON), np.random.default_rng(0)
    for number in range(107):
        amiss.say(np.full((2, N_CELLS), LEVEL, np.float32))
        actual = rng.poisson(LEVEL, (2, N_CELLS)).astype(np.float64)
        actual[0] *= number < 100
        amiss.learn(actual)
    dying, steady = amiss.factor()
    assert dying < 0.9
    assert steady == 1.0


def test_a_snapshot_goes_on_to_the_byte() -> None:
    amiss, other = experienced(), Amiss(1, SEASON)
    other.restore(amiss.snapshot())
    assert let_pass(other, actual=0.0, n_bins=5) == let_pass(amiss, actual=0.0, n_bins=5) < 1.0
