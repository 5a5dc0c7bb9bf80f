"""Weights of experts."""

from __future__ import annotations

import numpy as np
import pytest

from tidecast.models.blend import Blend, combine, kept_by, of_cells, size_of

SCALE = np.ones((1, 4))
SIZES = np.zeros((1, 4), np.int64)


def errors(*by_expert: float, blend: float | None = None) -> np.ndarray:
    """Return errors of four cells, alike; the blend's first: the experts' mean if not given."""
    said = [np.nanmean(by_expert) if blend is None else blend, *by_expert]
    return np.array(said, np.float32)[:, None, None] * np.ones((1, 1, 4), np.float32)


def learn(blend: Blend, said: np.ndarray, sizes: np.ndarray = SIZES, lead: int = 1) -> None:
    """Let ``blend`` learn the errors of one lead, (1 + expert, series, cell)."""
    blend.learn(said[None], SCALE, sizes, np.array([lead]))


def taught(*by_expert: float, bins: int = 100) -> Blend:
    """Return a blend after bins in which experts missed by so much, each on its own."""
    blend, rng = Blend(len(by_expert), 1, 1), np.random.default_rng(0)
    for _ in range(bins):
        learn(blend, drawn(rng, *by_expert))
    return blend


def drawn(rng: np.random.Generator, *deviations: float) -> np.ndarray:
    noise = rng.normal(size=(len(deviations), 1, 4)) * np.array(deviations)[:, None, None]
    return np.concatenate([noise.mean(axis=0)[None], noise]).astype(np.float32)


def test_experts_begin_with_equal_weights() -> None:
    assert np.allclose(Blend(4, 2, 3).weights(), 0.25)


def test_the_better_expert_gains_weight_first_at_the_lead_that_was_scored() -> None:
    blend = Blend(2, 1, 3)
    for _ in range(100):
        learn(blend, errors(1.0, 1.5), SIZES, lead=2)
        learn(blend, errors(1.5, 1.0), SIZES, lead=3)
    weights = blend.weights()
    assert weights[0, 0, 0, 1] > 0.8
    assert weights[1, 0, 0, 2] > 0.8
    assert np.allclose(weights.sum(axis=0), 1.0)


def test_a_lead_without_experience_follows_the_others() -> None:
    blend = Blend(2, 1, 2)
    for _ in range(30):
        learn(blend, errors(1.0, 1.5))
    assert blend.weights()[0, 0, 0, 1] > 0.8


def test_weights_of_many_cells_follow_a_change_sooner_than_those_of_one() -> None:
    assert (np.diff(kept_by(np.array([1, 2, 5, 10, 100]))) <= 0.0).all()
    of_change = {}
    for n_cells in (1, 100):
        blend, scale, sizes = (
            Blend(2, 1, 1),
            np.ones((1, n_cells)),
            np.zeros((1, n_cells), np.int64),
        )
        for said in [(0.0, 1.0, 1.5)] * 200 + [(0.0, 1.5, 1.0)] * 60:
            unit = np.broadcast_to(np.float32(said)[:, None, None], (3, 1, n_cells))
            blend.learn(unit[None], scale, sizes, np.array([1]))
        of_change[n_cells] = blend.weights()[1, 0, 0, 0]
    assert of_change[100] > of_change[1] + 0.2


def test_each_size_of_cell_has_weights_of_its_own() -> None:
    blend, sizes = Blend(2, 1, 1), np.array([[0, 0, 3, 3]])
    said = errors(1.0, 2.0)
    said[1, 0, 2:], said[2, 0, 2:] = 2.0, 1.0
    for _ in range(200):
        learn(blend, said, sizes, lead=1)
    weights = blend.weights()
    assert weights[0, 0, 0, 0] > 0.8
    assert weights[1, 0, 3, 0] > 0.8


def test_experts_whose_errors_cancel_share_the_weight() -> None:
    blend = Blend(3, 1, 1)
    for sign in [1.0, -1.0] * 100:
        learn(blend, errors(1.2 * sign, -1.2 * sign, 1.0 * sign))
    weights = blend.weights()[:, 0, 0, 0]
    assert weights[1] > 0.4
    assert abs(weights @ [1.2, -1.2, 1.0]) < 0.3


def test_weights_of_few_errors_stay_nearer_to_the_best_expert_than_those_of_many() -> None:
    missed = {}
    for n_cells in (1, 100):
        blend, sizes = Blend(3, 1, 1), np.zeros((1, n_cells), np.int64)
        for sign in [1.0, -1.0] * 15:
            said = np.float32([1.0, 1.2, -1.2, 1.0])[:, None, None] * np.float32(sign)
            unit = np.broadcast_to(said, (4, 1, n_cells))
            blend.learn(unit[None], np.ones((1, n_cells)), sizes, np.array([1]))
        missed[n_cells] = abs(blend.weights()[:, 0, 0, 0] @ [1.2, -1.2, 1.0])
    assert missed[100] < 0.1
    assert missed[1] > 0.5


def test_weights_are_those_of_least_squares_when_experience_is_long() -> None:
    independent = taught(1.0, 2.0, bins=3000).weights()[:, 0, 0, 0]
    assert independent[0] == pytest.approx(0.8, abs=0.12)  # by variances 1 : 4


def test_equal_experts_keep_equal_weights() -> None:
    blend = Blend(2, 1, 1)
    learn(blend, errors(1.0, -1.0))
    assert np.allclose(blend.weights(), 0.5)


def test_the_past_is_forgotten() -> None:
    blend = Blend(2, 1, 1)
    for pair in [(1.0, 2.0)] * 400 + [(2.0, 1.0)] * 400:
        learn(blend, errors(*pair))
    assert blend.weights()[1, 0, 0, 0] > 0.9


def test_one_burst_does_not_decide() -> None:
    blend = taught(1.0, 3.0, bins=200)
    before = blend.weights()[0, 0, 0, 0]
    burst = errors(1.0, 1.0)
    burst[:, 0, 0] = [1e12, 1e12, 1.0]  # one cell
    learn(blend, burst)
    assert blend.weights()[0, 0, 0, 0] > before - 0.5
    assert np.isfinite(blend.weights()).all()


def test_who_slept_is_given_the_error_of_the_blend() -> None:
    asleep, same = Blend(3, 1, 1), Blend(3, 1, 1)
    learn(asleep, errors(1.0, np.nan, 2.0, blend=1.5))
    learn(same, errors(1.0, 1.5, 2.0, blend=1.5))
    assert np.array_equal(asleep.weights(), same.weights())


def test_who_sleeps_now_is_weighed_as_if_it_were_not_there() -> None:
    two, three, rng = Blend(2, 1, 1), Blend(3, 1, 1), np.random.default_rng(1)
    for _ in range(30):
        said = drawn(rng, 1.0, 2.0, 3.0)
        learn(three, said)
        learn(two, said[:3])
    weights = three.weights(np.array([[True], [True], [False]]))
    assert weights[:2].tolist() == two.weights().tolist()
    assert weights[2].tolist() == np.zeros_like(weights[2]).tolist()


def test_who_slept_long_comes_back_with_a_weight() -> None:
    blend, rng = Blend(3, 1, 1), np.random.default_rng(1)
    for _ in range(300):
        said = drawn(rng, 1.0, 1.0, 1.0)
        said[3] = np.nan
        said[0] = said[1:3].mean(axis=0)
        learn(blend, said)
    assert blend.weights()[2, 0, 0, 0] > 0.2


def test_nothing_known_changes_nothing() -> None:
    blend = taught(1.0, 2.0)
    before = blend.weights().tolist()
    learn(blend, errors(1.0, 2.0) * np.float32(np.nan))
    assert blend.weights().tolist() == before


def test_a_perfect_expert_among_poor_ones_is_no_division_by_zero() -> None:
    blend = Blend(2, 1, 1)
    for _ in range(30):
        learn(blend, errors(0.0, 1.0))
    assert blend.weights()[0, 0, 0, 0] > 0.98


def test_all_perfect_experts_are_equal() -> None:
    blend = Blend(2, 1, 1)
    learn(blend, errors(0.0, 0.0))
    assert np.allclose(blend.weights(), 0.5)


@pytest.mark.parametrize("seed", range(5))
def test_the_blend_is_hardly_worse_than_the_best_expert_and_better_than_independent_ones(
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    blend, spread = Blend(4, 1, 1), rng.uniform(1.0, 3.0, size=4)
    squares = np.zeros(5)
    for _ in range(600):
        said = drawn(rng, *spread)
        weights = of_cells(blend.weights(), SIZES)[..., 0]
        said[0] = (said[1:] * weights).sum(axis=0)
        squares += (said[:, 0] ** 2).sum(axis=-1)
        learn(blend, said)
    assert squares[0] < 0.98 * squares[1:].min()


def test_a_restored_blend_goes_on_as_the_one_before() -> None:
    blend, other = taught(1.0, 2.0), Blend(2, 1, 1)
    other.restore(blend.snapshot())
    for each in (blend, other):
        learn(each, errors(2.0, 1.0))
    assert blend.weights().tobytes() == other.weights().tobytes()


def test_a_cell_alone_is_always_of_one_size() -> None:
    levels = np.random.default_rng(0).uniform(0.01, 1e3, size=(1000, 1))
    assert len(np.unique(size_of(levels))) == 1


def test_sizes_are_free_of_units_and_of_cells_that_never_trade() -> None:
    level = np.array([[100.0, 100.0, 24.0, 6.0, 0.0]])
    sizes = size_of(level)
    assert sizes[0, -1] == 4
    assert sizes[0, :4].tolist() == [0, 0, 1, 2]
    assert np.array_equal(size_of(level * 1e6), sizes)
    many = np.concatenate([level, np.zeros((1, 1000))], axis=1)
    assert np.array_equal(size_of(many)[:, :5], sizes)


def test_the_weight_of_a_sleeper_goes_to_the_others_cell_by_cell() -> None:
    values = np.array([[[[1.0], [np.nan]]], [[[3.0], [3.0]]]], np.float32)
    weights = np.array([[[[0.75], [0.75]]], [[[0.25], [0.25]]]], np.float32)
    assert np.allclose(combine(values, weights)[0, :, 0], [1.5, 3.0])


def test_where_the_only_expert_with_a_weight_sleeps_the_others_speak() -> None:
    values = np.array([np.nan, 1.0, 3.0], np.float32)[:, None, None, None]
    weights = np.array([1.0, 0.0, 0.0], np.float32)[:, None, None, None]
    assert combine(values, weights).item() == pytest.approx(2.0)


def test_where_all_sleep_the_blend_is_nan() -> None:
    values = np.full((2, 1, 1, 1), np.nan, np.float32)
    assert np.isnan(combine(values, np.full((2, 1, 1, 1), 0.5, np.float32))).all()
