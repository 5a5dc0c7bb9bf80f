"""What gaps are worth."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tidecast.models.worth import PRIOR, Worth

N_BINS = 3_000
SCALE = np.ones((1, 1), np.float32)


def learnt(
    parts: NDArray[np.float64], own: NDArray[np.float64], actual: NDArray[np.float64]
) -> float:
    """Return the worth at lead 2 after forecasts, (bin,) by the bin they are of, and actuals."""
    worth = Worth(1, 2)
    for bin_ in range(len(actual) - 2):
        for lead in (1, 2):
            worth.learn(bin_, lead, actual[bin_].reshape(1, 1), SCALE)
        ahead = slice(bin_ + 1, bin_ + 3)
        worth.say(bin_, *(each[ahead].reshape(1, 1, 2).astype(np.float32) for each in (parts, own)))
    return float(worth.of(1)[0, 0, 1])


def noise(seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=N_BINS)


def test_of_two_that_are_as_good_and_have_errors_of_their_own_half_is_closed() -> None:
    assert learnt(noise(0), noise(1), np.zeros(N_BINS)) == pytest.approx(0.48, abs=0.06)


def test_shocks_that_both_share_do_not_count() -> None:
    assert learnt(noise(0), noise(1), noise(2)) == pytest.approx(0.43, abs=0.08)


def test_the_better_one_is_followed() -> None:
    zero = np.zeros(N_BINS)
    assert learnt(noise(0), 0.2 * noise(1), zero) > 0.75
    assert learnt(0.2 * noise(0), noise(1), zero) < 0.1


def test_a_small_gap_is_worth_what_it_was_thought_to_be() -> None:
    parts = noise(0)
    assert learnt(parts, parts + 0.01 * noise(1), np.zeros(N_BINS)) == pytest.approx(PRIOR, abs=0.1)


def test_nothing_is_learnt_of_what_was_not_said_or_is_missing() -> None:
    worth = Worth(1, 2)
    worth.learn(5, 1, np.zeros((1, 1)), SCALE)
    worth.say(5, np.ones((1, 1, 2), np.float32), np.zeros((1, 1, 2), np.float32))
    worth.learn(6, 1, np.full((1, 1), np.nan), SCALE)
    worth.learn(8, 1, np.zeros((1, 1)), SCALE)  # of the origin 7, which there was not
    assert (worth.of(1) == PRIOR).all()
    worth.learn(6, 1, np.zeros((1, 1)), SCALE)
    assert worth.of(1)[0, 0, 0] > PRIOR


def test_new_nodes_begin_with_the_prior_and_the_state_is_restored_to_the_byte() -> None:
    worth, other = Worth(1, 2), Worth(1, 2)
    worth.say(5, np.ones((1, 1, 2), np.float32), np.zeros((1, 1, 2), np.float32))
    worth.learn(6, 1, np.zeros((1, 1)), SCALE)
    other.restore(worth.snapshot())
    for each in (worth, other):
        each.say(6, np.ones((1, 3, 2), np.float32), np.zeros((1, 3, 2), np.float32))
        each.learn(7, 1, np.zeros((1, 3)), np.ones((1, 3), np.float32))
        each.learn(7, 2, np.zeros((1, 3)), np.ones((1, 1), np.float32))
    assert worth.of(4).tobytes() == other.of(4).tobytes()
    assert worth.of(4)[0, 3].tolist() == [PRIOR, PRIOR]
    assert worth.of(4)[0, 1, 0] > PRIOR
