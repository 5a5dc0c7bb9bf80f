"""Quantiles of recent residuals."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from tidecast.models.calibrate import Calibrate
from tidecast.models.event_groups import GROUPS, group_of
from tidecast.models.quantiles import quantiles_of

LEVELS = (0.05, 0.5, 0.95)
RANDOM = np.random.default_rng(0)


ANY = np.array([[False] * 3])  # a series of any numbers
NORMAL = Calibrate(1, 1, LEVELS).shapes()[:, 0]  # (series, group, level)
N_GROUPS = len(GROUPS) + 1


def flat(value: float, n_cells: int = 1000) -> np.ndarray:
    return np.full((1, n_cells), value, np.float32)


def learn(
    calibrate: Calibrate,
    actual: np.ndarray,
    mean: np.ndarray,
    scale: np.ndarray,
    said: np.ndarray,
    lead: int,
) -> None:
    """Let ``calibrate`` learn one lead, of arrays without an axis of leads."""
    calibrate.learn(actual, mean[None], scale[None], said[None], np.array([lead]))


def test_before_any_residual_the_spread_is_normal() -> None:
    shapes = Calibrate(1, 2, LEVELS).shapes()
    expected = NormalDist().inv_cdf(0.95)
    assert np.allclose(shapes, [-expected, 0.0, expected], atol=0.02)


def test_shapes_become_those_of_the_residuals_of_their_lead() -> None:
    calibrate = Calibrate(1, 2, LEVELS)
    for _ in range(50):
        residuals = 2.0 * RANDOM.exponential(size=(1, 1000)).astype(np.float32)
        said = calibrate.shapes()[:, 1]
        learn(calibrate, 100.0 + residuals, flat(100.0), flat(2.0), said, lead=2)
    shapes = calibrate.shapes()[0, :, -1]  # cells of large means
    assert np.allclose(shapes[1], -np.log(1 - np.array(LEVELS)), rtol=0.1)
    assert abs(shapes[0, 1]) < 0.01


def test_missing_residuals_teach_nothing() -> None:
    calibrate = Calibrate(1, 1, LEVELS)
    before = calibrate.shapes().tobytes()
    learn(calibrate, flat(np.nan), flat(1.0), flat(1.0), NORMAL, lead=1)
    assert calibrate.shapes().tobytes() == before


def test_enormous_residuals_are_survived() -> None:
    calibrate = Calibrate(1, 1, LEVELS)
    learn(calibrate, flat(1e30), flat(1.0), flat(1e-6), NORMAL, lead=1)
    assert np.isfinite(calibrate.shapes()).all()


def test_a_series_is_of_whole_numbers_until_one_is_not() -> None:
    calibrate, ones = Calibrate(2, 1, LEVELS), np.ones((2, 1), np.float32)
    shapes = calibrate.shapes()[:, 0]
    learn(calibrate, np.float32([[3.0], [np.nan]]), ones, ones, shapes, lead=1)
    assert calibrate.whole.tolist() == [[False, True, False]] * 2
    learn(calibrate, np.float32([[4.0], [0.5]]), ones, ones, shapes, lead=1)
    learn(calibrate, np.float32([[4.0], [2.0]]), ones, ones, shapes, lead=1)
    assert calibrate.whole.tolist() == [[False, True, False], [False, False, False]]


def test_cells_that_never_trade_teach_no_shape_and_are_forecast_as_nothing() -> None:
    trading, idle = Calibrate(1, 1, LEVELS), Calibrate(1, 1, LEVELS)
    rng = np.random.default_rng(3)
    for _ in range(50):
        some = rng.normal(size=(1, 20)).astype(np.float32)
        ones, nothing = np.ones((1, 20), np.float32), np.zeros((1, 500), np.float32)
        learn(trading, 1.0 + some, ones, ones, NORMAL, lead=1)
        learn(
            idle,
            np.concatenate([1.0 + some, nothing], axis=1),
            np.concatenate([ones, nothing], axis=1),
            np.ones((1, 520), np.float32),
            NORMAL,
            lead=1,
        )
    assert np.array_equal(trading.shapes(), idle.shapes())
    almost = np.full((1, 1, 1), 1e-10, np.float32)
    assert not quantiles_of(almost, almost, idle.shapes(), ANY).any()


def test_first_sales_of_cells_of_which_nothing_was_forecast_speak_for_no_others() -> None:
    calibrate = Calibrate(1, 1, LEVELS)
    rng = np.random.default_rng(0)
    mean = np.concatenate([np.zeros((1, 500)), np.full((1, 2), 1e-3)], axis=1).astype(np.float32)
    scale = np.full_like(mean, 0.03)
    for _ in range(100):
        actual = rng.poisson(np.where(mean > 0, mean, 0.01)).astype(np.float32)
        learn(calibrate, actual, mean, scale, calibrate.shapes()[:, 0], lead=1)
    sold = np.full((1, 500), 1e-3, np.float32)[:, :, None]  # they have a mean by now
    quantiles = quantiles_of(sold, np.full_like(sold, 0.03), calibrate.shapes(), ANY)
    assert quantiles[..., 1].max() < 0.01  # one in a thousand: its median is nothing


def share_covered(spread_of_bin: np.ndarray, lead: int = 1) -> np.ndarray:
    """Return by bin how many actuals were inside the outer interval, of cells of that spread."""
    rng, calibrate, mean, scale = np.random.default_rng(4), Calibrate(1, 4, LEVELS), 100.0, 1.0
    shares, said = [], [calibrate.shapes()[:, lead - 1]] * lead
    for spread in spread_of_bin:
        residuals = (spread * rng.normal(size=(1, 1000))).astype(np.float32)
        issued = said.pop(0)
        inside = (residuals > issued[0, -1, 0]) & (residuals <= issued[0, -1, -1])
        shares.append(inside.mean())
        learn(calibrate, mean + residuals, flat(mean), flat(scale), issued, lead)
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
        learn(calibrate, flat(150.0), flat(100.0), flat(1.0), NORMAL, lead)
    moved = (calibrate.snapshot()["shift"] - before)[0, :, -1, -1]
    assert moved[0] == 2 * moved[3] > 0.0


def test_one_actual_moves_a_quantile_by_less_than_many_do() -> None:
    moved = []
    for n_cells in (1, 2, 1000):
        calibrate = Calibrate(1, 1, LEVELS)
        actual, mean = flat(150.0, n_cells), flat(100.0, n_cells)
        learn(calibrate, actual, mean, flat(1.0, n_cells), NORMAL, lead=1)
        moved.append(calibrate.snapshot()["shift"][0, 0, -1, 1])
    assert 0.0 < 2.0 * moved[0] == moved[1] < moved[2]


def test_one_burst_shifts_by_no_more_than_a_step() -> None:
    calibrate = Calibrate(1, 1, LEVELS)
    learn(calibrate, flat(1e30), flat(100.0), flat(1.0), NORMAL, lead=1)
    assert np.abs(calibrate.snapshot()["shift"]).max() <= 1.0


def test_shifted_quantiles_never_cross() -> None:
    calibrate, rng = Calibrate(1, 1, LEVELS), np.random.default_rng(5)
    calibrate.restore(
        {**calibrate.snapshot(), "shift": rng.normal(0, 3, size=(1, 1, N_GROUPS, len(LEVELS)))}
    )
    assert (np.diff(calibrate.shapes(), axis=-1) >= 0).all()


def test_what_is_missed_at_one_lead_widens_the_outer_levels_of_all() -> None:
    calibrate = Calibrate(1, 4, LEVELS)
    before = calibrate.shapes()
    for _ in range(20):
        learn(calibrate, flat(103.0, 1), flat(100.0, 1), flat(1.0, 1), NORMAL, lead=1)
    moved = (calibrate.shapes() - before)[0, 3, -1]  # of a lead of which nothing is known
    assert moved[2] > 0.5 and moved[1] == 0.0
    assert 0.0 < moved[0] < 0.1  # nothing was below


def test_what_is_missed_at_a_lead_moves_those_near_it_most() -> None:
    calibrate = Calibrate(1, 4, LEVELS)
    before = calibrate.shapes()[0, :2, -1, 2]
    far = calibrate.shapes()[0, 3, -1, 2]
    for _ in range(5):
        learn(calibrate, flat(103.0, 1), flat(100.0, 1), flat(1.0, 1), NORMAL, lead=3)
    after = calibrate.shapes()[0, :, -1, 2]
    assert after[3] - far > after[1] - before[1] > after[0] - before[0] > 0.0


def test_what_all_leads_lack_is_in_events_where_few_are_expected() -> None:
    calibrate = Calibrate(1, 1, LEVELS)
    before = calibrate.shapes()
    learn(calibrate, flat(103.0, 1), flat(100.0, 1), flat(1.0, 1), NORMAL, lead=1)
    moved = (calibrate.shapes() - before)[0, 0, :, 2]
    assert moved[0] > 3.0 * moved[-2] > 0.0


def test_series_of_one_cell_of_changing_size_are_soon_covered_when_errors_grow() -> None:
    rng, n_series, n_bins, jump, leads = np.random.default_rng(6), 12, 240, 120, np.arange(1, 15)
    calibrate, inside = Calibrate(n_series, 14, LEVELS), []
    said: list[np.ndarray] = []
    for bin_ in range(n_bins):
        residual = (1.0 if bin_ < jump else 1.8) * rng.normal(size=(n_series, 1))
        mean = np.full((14, n_series, 1), rng.choice([3.0, 10.0, 100.0]), np.float32)
        one = np.ones_like(mean)
        if bin_ >= 14:
            shapes = np.stack([said[bin_ - lead][:, lead - 1] for lead in leads])
            issued = shapes[:, :, group_of(mean, one)[0, 0, 0]]  # (lead, series, level)
            inside.append((issued[..., 0] < residual.T) & (issued[..., -1] >= residual.T))
            calibrate.learn(mean[0] + residual, mean, one, shapes, leads)
        said.append(calibrate.shapes())
    late = np.array(inside[-60:])
    assert abs(late.mean() - 0.9) < 0.03  # six points are missing where each lead learns alone


def test_coverage_comes_to_what_it_should_be_at_every_lead_of_one_cell_whose_level_drifts() -> None:
    rng, n_bins, horizon, n_series = np.random.default_rng(7), 2000, 7, 4
    phase = np.arange(n_bins)[:, None] / 200 + np.arange(n_series) / n_series
    level = 1000.0 + np.cumsum(0.5 * np.sin(2.0 * np.pi * phase), axis=0)  # (bin, series)
    calibrate, said, inside = Calibrate(n_series, horizon, LEVELS), [], []
    one, leads = np.ones((horizon, n_series, 1), np.float32), np.arange(1, horizon + 1)
    for bin_ in range(n_bins):
        if bin_ >= horizon:
            mean = level[bin_ - leads][:, :, None].astype(np.float32)  # nobody follows the drift
            actual = level[bin_][:, None] + rng.normal(size=(n_series, 1))
            shapes = np.stack([said[bin_ - lead][:, lead - 1] for lead in leads])
            issued = mean + shapes[:, :, -1]  # (lead, series, level)
            inside.append((issued[..., 0] < actual[:, 0]) & (actual[:, 0] <= issued[..., -1]))
            calibrate.learn(actual, mean, one, shapes, leads)
        said.append(calibrate.shapes())
    covered = np.array(inside[-1000:])  # (bin, lead, series)
    assert np.abs(covered.mean(axis=(0, 2)) - 0.9).max() < 0.01
    assert np.abs(covered.mean(axis=(0, 1)) - 0.9).max() < 0.01


def test_quantiles_of_few_residuals_lie_further_out_the_more_so_the_longer_the_lead() -> None:
    calibrate = Calibrate(1, 4, LEVELS)
    learnt = calibrate.snapshot()
    for times, lead, wider in ((1.0, 4, 0.0), (3.0, 1, 1.0), (3.0, 4, 2.0), (1e4, 4, 0.0)):
        calibrate.restore({**learnt, "counts": times * learnt["counts"]})  # a third was prior
        share = 0.5 + 0.45 * (1.0 + wider * (2.0 / 3.0) / 90.0)
        upper = calibrate.shapes()[0, lead - 1, :, 2]
        assert np.allclose(upper, NormalDist().inv_cdf(share), atol=0.015), (times, lead)


def test_every_actual_is_covered_alike_though_bins_of_few_miss_more() -> None:
    rng, calibrate, n_cells = np.random.default_rng(11), Calibrate(1, 1, LEVELS), 20
    one, inside = np.ones((1, n_cells), np.float32), []
    mean, shapes = 100.0 * one, calibrate.shapes()[:, 0]
    for bin_ in range(1000):
        n_known, spread = (4, 3.0) if bin_ % 2 else (n_cells, 1.0)
        residual = np.full((1, n_cells), np.nan, np.float32)
        residual[:, :n_known] = spread * rng.normal(size=n_known)
        within = (residual > shapes[0, -1, 0]) & (residual <= shapes[0, -1, 2])
        inside.extend(within[0, :n_known] if bin_ >= 300 else [])
        learn(calibrate, mean + residual, mean, one, shapes, lead=1)
        shapes = calibrate.shapes()[:, 0]
    assert abs(np.mean(inside) - 0.9) < 0.01
