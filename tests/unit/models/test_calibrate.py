"""Quantiles of recent residuals."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from tidecast.models.calibrate import Calibrate, chance_of_zero, quantiles_of, scale_at

LEVELS = (0.05, 0.5, 0.95)
RANDOM = np.random.default_rng(0)


NORMAL = Calibrate(1, 1, LEVELS).shapes()[:, 0]  # (series, group, level)


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
        said = calibrate.shapes()[:, 1]
        calibrate.learn(residuals, flat(100.0), flat(2.0), said, lead=2)
    shapes = calibrate.shapes()[0, :, -1]  # cells of large means
    assert np.allclose(shapes[1], -np.log(1 - np.array(LEVELS)), rtol=0.1)
    assert abs(shapes[0, 1]) < 0.01


def test_missing_residuals_teach_nothing() -> None:
    calibrate = Calibrate(1, 1, LEVELS)
    before = calibrate.shapes().tobytes()
    calibrate.learn(flat(np.nan), flat(1.0), flat(1.0), NORMAL, lead=1)
    assert calibrate.shapes().tobytes() == before


def test_enormous_residuals_are_survived() -> None:
    calibrate = Calibrate(1, 1, LEVELS)
    calibrate.learn(flat(1e30), flat(1.0), flat(1e-6), NORMAL, lead=1)
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
        trading.learn(some, ones, ones, NORMAL, lead=1)
        idle.learn(
            np.concatenate([some, nothing], axis=1),
            np.concatenate([ones, nothing], axis=1),
            np.ones((1, 520), np.float32),
            NORMAL,
            lead=1,
        )
    assert np.array_equal(trading.shapes(), idle.shapes())
    almost = np.full((1, 1, 1), 1e-10, np.float32)
    assert not quantiles_of(almost, almost, idle.shapes()).any()


def share_covered(spread_of_bin: np.ndarray, lead: int = 1) -> np.ndarray:
    """Return by bin how many actuals were inside the outer interval, of cells of that spread."""
    rng, calibrate, mean, scale = np.random.default_rng(4), Calibrate(1, 4, LEVELS), 100.0, 1.0
    shares, said = [], [calibrate.shapes()[:, lead - 1]] * lead
    for spread in spread_of_bin:
        residuals = (spread * rng.normal(size=(1, 1000))).astype(np.float32)
        issued = said.pop(0)
        inside = (residuals > issued[0, -1, 0]) & (residuals <= issued[0, -1, -1])
        shares.append(inside.mean())
        calibrate.learn(residuals, flat(mean), flat(scale), issued, lead)
        said.append(calibrate.shapes()[:, lead - 1])
    return np.array(shares)


def test_coverage_is_within_five_points_in_the_week_of_a_sudden_spread() -> None:
    week, jump = 168, 300
    shares = share_covered(np.where(np.arange(jump + 2 * week) < jump, 1.0, 1.6))
    assert shares[jump] < 0.75
    first, second = shares[jump:].reshape(2, week).mean(axis=1)
    assert abs(first - 0.9) < 0.05
    assert abs(second - 0.9) < 0.02


def test_coverage_holds_when_it_is_known_leads_later() -> None:
    spread = 1.0 + 0.3 * np.sin(np.arange(500) * 2 * np.pi / 200)
    assert abs(share_covered(spread, lead=4)[100:].mean() - 0.9) < 0.01


def test_the_longer_the_lead_the_smaller_the_step() -> None:
    calibrate = Calibrate(1, 4, LEVELS)
    before = calibrate.snapshot()["shift"]
    for lead in (1, 4):
        calibrate.learn(flat(50.0), flat(100.0), flat(1.0), NORMAL, lead)
    moved = (calibrate.snapshot()["shift"] - before)[0, :, -1, -1]
    assert moved[0] == 2 * moved[3] > 0.0


def test_one_burst_shifts_by_no_more_than_a_step() -> None:
    calibrate = Calibrate(1, 1, LEVELS)
    calibrate.learn(flat(1e30), flat(100.0), flat(1.0), NORMAL, lead=1)
    assert np.abs(calibrate.snapshot()["shift"]).max() <= 1.0


def test_zeros_as_many_as_were_told_shift_nothing() -> None:
    calibrate = Calibrate(1, 1, LEVELS)
    mean, low = flat(0.25), np.full_like(NORMAL, -1.0)
    low[..., -1] = 1.0  # the quantiles -0.75, -0.75, 1.25 pass 0 at a level of 0.67
    chance = 0.5 + 0.45 * 0.75 / 2.0
    residuals = np.where(np.arange(1000) < 1000 * chance, -0.25, 0.75)[None].astype(np.float32)
    calibrate.learn(residuals, mean, flat(1.0), low, lead=1)
    shift = calibrate.snapshot()["shift"][0, 0, 0]
    assert np.abs(shift[:2]).max() < 1e-3
    calibrate.learn(flat(-0.25), mean, flat(1.0), low, lead=1)  # more zeros than were told
    assert (calibrate.snapshot()["shift"][0, 0, 0, :2] < -1e-3).all()


def test_shifted_quantiles_never_cross() -> None:
    calibrate, rng = Calibrate(1, 1, LEVELS), np.random.default_rng(5)
    calibrate.restore(
        {**calibrate.snapshot(), "shift": rng.normal(0, 3, size=(1, 1, 4, len(LEVELS)))}
    )
    assert (np.diff(calibrate.shapes(), axis=-1) >= 0).all()


def test_the_chance_of_a_zero_is_where_quantiles_pass_it() -> None:
    levels = np.array([0.1, 0.5, 0.9])
    quantiles = np.array([[-1.0, 1.0, 2.0], [-3.0, -2.0, -1.0], [-1.0, -1.0, 3.0]])
    assert np.allclose(chance_of_zero(quantiles, levels), [0.3, 0.95, 0.6])
