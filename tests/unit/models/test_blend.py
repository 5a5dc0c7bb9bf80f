"""Weights of experts."""

from __future__ import annotations

import numpy as np

from tidecast.models.blend import Blend, combine

SCALE = np.ones((1, 4))


def errors(*by_expert: float) -> np.ndarray:
    return np.array(by_expert, np.float32)[:, None, None] * np.ones((1, 1, 4), np.float32)


def test_experts_begin_with_equal_weights() -> None:
    assert np.allclose(Blend(4, 2, 3).weights(), 0.25)


def test_the_better_expert_gains_weight_at_the_lead_that_was_scored() -> None:
    blend = Blend(2, 1, 3)
    for _ in range(10):
        blend.learn(errors(1.0, 1.2), SCALE, lead=2)
    weights = blend.weights()
    assert weights[0, 0, 1] > 0.8
    assert np.allclose(weights[:, 0, [0, 2]], 0.5)
    assert np.allclose(weights.sum(axis=0), 1.0)


def test_equal_experts_keep_equal_weights() -> None:
    blend = Blend(2, 1, 1)
    blend.learn(errors(1.0, -1.0), SCALE, lead=1)
    assert np.allclose(blend.weights(), 0.5)


def test_the_past_is_forgotten() -> None:
    blend = Blend(2, 1, 1)
    for _ in range(300):
        blend.learn(errors(1.0, 2.0), SCALE, lead=1)
    for _ in range(300):
        blend.learn(errors(2.0, 1.0), SCALE, lead=1)
    assert blend.weights()[1, 0, 0] > 0.9


def test_one_burst_does_not_decide() -> None:
    blend = Blend(2, 1, 1)
    for _ in range(200):
        blend.learn(errors(1.0, 2.0), SCALE, lead=1)
    blend.learn(errors(1e12, 1.0), SCALE, lead=1)
    assert blend.weights()[0, 0, 0] > 0.9


def test_who_slept_neither_gains_nor_loses() -> None:
    blend = Blend(3, 1, 1)
    blend.learn(errors(1.0, np.nan, 1.0), SCALE, lead=1)
    assert np.allclose(blend.weights(), 1 / 3)


def test_nothing_known_changes_nothing() -> None:
    blend = Blend(2, 1, 1)
    blend.learn(errors(1.0, 2.0), SCALE, lead=1)
    before = blend.weights().tolist()
    blend.learn(errors(np.nan, np.nan), SCALE, lead=1)
    assert blend.weights().tolist() == before


def test_a_perfect_expert_among_poor_ones_is_no_division_by_zero() -> None:
    blend = Blend(2, 1, 1)
    blend.learn(errors(0.0, 1.0), SCALE, lead=1)
    assert blend.weights()[0, 0, 0] > 0.99


def test_the_weight_of_a_sleeper_goes_to_the_others_cell_by_cell() -> None:
    values = np.array([[[[1.0], [np.nan]]], [[[3.0], [3.0]]]], np.float32)
    weights = np.array([[[0.75]], [[0.25]]])
    assert combine(values, weights)[0, :, 0].tolist() == [1.5, 3.0]


def test_where_all_sleep_the_blend_is_nan() -> None:
    values = np.full((2, 1, 1, 1), np.nan, np.float32)
    assert np.isnan(combine(values, np.full((2, 1, 1), 0.5))).all()
