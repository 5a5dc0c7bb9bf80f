"""Quantiles of recent residuals."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from tidecast.models.calibrate import Calibrate, quantiles_of, scale_at

LEVELS = (0.05, 0.5, 0.95)
RANDOM = np.random.default_rng(0)


def flat(value: float, n_cells: int = 1000) -> np.ndarray:
    return np.full((1, n_cells), value, np.float32)


def test_before_any_residual_the_spread_is_normal() -> None:
    shapes = Calibrate(1, 2, LEVELS).shapes()
    expected = NormalDist(sigma=1.2533).inv_cdf(0.95)  # whose mean absolute error is 1
    assert np.allclose(shapes, [-expected, 0.0, expected], atol=0.02)


def test_shapes_become_those_of_the_residuals_of_their_lead() -> None:
    calibrate = Calibrate(1, 2, LEVELS)
    for _ in range(50):
        residuals = 2.0 * RANDOM.exponential(size=(1, 1000)).astype(np.float32)
        calibrate.learn(residuals, flat(100.0), flat(2.0), lead=2)
    shapes = calibrate.shapes()[0, :, -1]  # cells of large means
    assert np.allclose(shapes[1], -np.log(1 - np.array(LEVELS)), rtol=0.1)
    assert abs(shapes[0, 1]) < 0.01


def test_missing_residuals_teach_nothing() -> None:
    calibrate = Calibrate(1, 1, LEVELS)
    before = calibrate.shapes().tobytes()
    calibrate.learn(flat(np.nan), flat(1.0), flat(1.0), lead=1)
    assert calibrate.shapes().tobytes() == before


def test_enormous_residuals_are_survived() -> None:
    calibrate = Calibrate(1, 1, LEVELS)
    calibrate.learn(flat(1e30), flat(1.0), flat(1e-6), lead=1)
    assert np.isfinite(calibrate.shapes()).all()


def test_quantiles_are_the_mean_and_scaled_shapes_at_least_zero() -> None:
    shapes = np.full((1, 1, 4, 3), 0.0, np.float32)
    shapes[...] = [-2.0, 0.5, 2.0]
    mean = np.array([[[10.0], [1.0]]], np.float32)
    scale = np.array([[[2.0], [3.0]]], np.float32)
    found = quantiles_of(mean, scale, shapes)[0, :, 0]
    assert found.tolist() == [[6.0, 11.0, 14.0], [0.0, 2.5, 7.0]]


def test_scale_grows_with_the_root_of_the_mean_within_a_factor_of_five() -> None:
    mean = np.array([[[40.0], [10.0], [0.0], [1e9]]], np.float32)
    scale = np.ones_like(mean)
    found = scale_at(scale, mean, np.full((1, 4), 10.0))[0, :, 0]
    assert np.allclose(found, [2.0, 1.0, 0.2, 5.0])


def test_cells_that_never_trade_teach_no_shape_and_are_forecast_as_nothing() -> None:
    trading, idle = Calibrate(1, 1, LEVELS), Calibrate(1, 1, LEVELS)
    rng = np.random.default_rng(3)
    for _ in range(50):
        some = rng.normal(size=(1, 20)).astype(np.float32)
        ones, nothing = np.ones((1, 20), np.float32), np.zeros((1, 500), np.float32)
        trading.learn(some, ones, ones, lead=1)
        idle.learn(
            np.concatenate([some, nothing], axis=1),
            np.concatenate([ones, nothing], axis=1),
            np.ones((1, 520), np.float32),
            lead=1,
        )
    assert np.array_equal(trading.shapes(), idle.shapes())
    almost = np.full((1, 1, 1), 1e-10, np.float32)
    assert not quantiles_of(almost, almost, idle.shapes()).any()
