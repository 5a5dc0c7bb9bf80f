"""The pooled least squares, and what they are made of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tidecast.models.covariates import Calendar, Covariates
from tidecast.models.online.adapted import LARGEST_RATIO, AdaptedWeek
from tidecast.models.online.least_squares import HourlyLeastSquares
from tidecast.models.online.pooled import PooledExpert
from tidecast.models.online.pooled_features import PooledFeatures
from tidecast.models.online.trust import Trust
from tidecast.models.profile import ForecastProfile
from tidecast.models.surroundings import Surroundings
from tidecast.state.bins import HOUR, BinGrid
from tidecast.state.cells import Cell
from tidecast.state.slabs import Slab
from tidecast.state.window import Window

MONDAY = 480_024 - 480_024 % 24 + 24 * 2  # a bin number whose local hour is 0
SEASON = 6
Values = NDArray[np.float64]
Singles = NDArray[np.float32]


def around(usual: float, n_cells: int = 2) -> Covariates:
    """Return covariates of cells that are usually at ``usual``, give or take its root."""
    return Covariates(
        bin=MONDAY,
        calendar=Calendar(BinGrid(HOUR)),
        neighbours=np.full((n_cells, 4), -1),
        level=np.full((n_cells, 1), usual),
        scale=np.full((n_cells, 1), usual**0.5),
        usual_now=np.full((n_cells, 1), usual, np.float32),
        usual_ahead=np.full((3, n_cells, 1), usual, np.float32),
    )


def test_the_adapted_week_follows_a_shift_of_level_within_two_seasons() -> None:
    week = AdaptedWeek(n_series=1, season=SEASON, memory=50)
    for _ in range(60):
        week.learn(np.full((2, 1), 100.0), around(100.0))
    assert np.allclose(week.ratio, 1.0)
    for _ in range(2 * SEASON):
        week.learn(np.full((2, 1), 300.0), around(100.0))
    assert (week.ratio > 2.5).all()


def test_a_shift_of_a_noisy_level_is_not_taken_for_noise() -> None:
    week = AdaptedWeek(n_series=1, season=7, memory=50)
    level = np.repeat([100.0, 300.0], [60, 14])
    noise = np.random.default_rng(0).normal(size=(len(level), 200, 1))
    for value in level[:, None, None] * (1.0 + 0.2 * noise):
        week.learn(value, around(100.0, n_cells=200))
    assert np.median(week.ratio) > 2.1


def test_a_noisy_cell_moves_its_ratio_less_than_a_steady_one() -> None:
    week = AdaptedWeek(n_series=1, season=SEASON, memory=50)
    noise = np.random.default_rng(0).normal(size=200)
    for step in noise:
        week.learn(np.array([[100.0 + 40.0 * step], [100.0 + step]]), around(100.0))
    week.learn(np.full((2, 1), 140.0), around(100.0))
    noisy, steady = np.abs(week.ratio[:, 0] - 1.0)
    assert noisy < steady


def test_a_missing_value_is_no_departure() -> None:
    week = AdaptedWeek(n_series=1, season=SEASON, memory=50)
    for _ in range(30):
        expected, departure = week.learn(np.full((2, 1), np.nan), around(5.0))
    assert np.isnan(departure).all()
    assert np.allclose(expected, 5.0)
    assert np.allclose(week.ratio, 1.0)


def test_a_bin_without_a_value_leaves_the_ratio_and_many_lead_it_back() -> None:
    week = AdaptedWeek(n_series=1, season=SEASON, memory=50)
    for _ in range(200):
        week.learn(np.full((2, 1), 150.0), around(100.0))
    before, recent = week.ratio, week.recent
    week.learn(np.full((2, 1), np.nan), around(100.0))
    assert np.allclose(week.ratio, before, rtol=0.02)
    assert np.allclose(week.recent, recent, atol=0.02)
    for _ in range(20 * SEASON):
        week.learn(np.full((2, 1), np.nan), around(100.0))
    assert np.allclose(week.ratio, 1.0, atol=0.02)


def test_the_ratio_stays_within_reason() -> None:
    week = AdaptedWeek(n_series=1, season=SEASON, memory=50)
    for _ in range(60):
        week.learn(np.full((2, 1), 1e12), around(1.0))
    assert (week.ratio <= LARGEST_RATIO).all()


def test_what_single_precision_cannot_tell_is_no_departure() -> None:
    week = AdaptedWeek(n_series=1, season=SEASON, memory=50)
    for value in (100.0 / 3.0, 34.0):
        around_it = replace(around(1.0), usual_now=np.full((2, 1), 100.0 / 3.0, np.float32))
        _, departure = week.learn(np.full((2, 1), value), around_it)
        assert departure.any() == (value == 34.0)


def rows(n_rows: int, seed: int = 0) -> Values:
    return np.random.default_rng(seed).normal(size=(1, n_rows, 2))


def hourly(grid: BinGrid | None = None) -> HourlyLeastSquares:
    return HourlyLeastSquares(1, 1, 2, Calendar(grid or BinGrid(HOUR)))


def learn_rows(
    models: HourlyLeastSquares, bin_: int, features: Values, targets: Values, weights: Values
) -> int:
    """Learn features (1, row, feature), targets and weights (1, row), of the only lead."""
    rows = features.transpose(0, 2, 1)[:, None]
    return models.learn(slice(1), bin_, rows, targets[:, None], weights[:, None])


def learn(models: HourlyLeastSquares, bin_: int, truth: list[float], n_rows: int = 4000) -> None:
    features = rows(n_rows, seed=bin_)
    targets = features @ np.array(truth)
    assert learn_rows(models, bin_, features, targets, np.ones((1, n_rows))) == 0


def test_coefficients_are_those_of_least_squares() -> None:
    models = hourly()
    learn(models, MONDAY, [2.0, -1.0], n_rows=100_000)
    assert np.allclose(models.coefficients(MONDAY + 23)[0, 0], [2.0, -1.0], atol=0.01)


def test_an_hour_never_seen_has_the_coefficients_of_the_others() -> None:
    models = hourly()
    for bin_ in range(MONDAY, MONDAY + 12):
        learn(models, bin_, [2.0, -1.0])
    assert np.allclose(models.coefficients(MONDAY + 17)[0, 0], [2.0, -1.0], atol=0.1)


def test_hours_of_a_row_a_day_lean_on_all_the_others() -> None:
    models = hourly()
    for bin_ in range(MONDAY, MONDAY + 28 * 24):
        learn(models, bin_, [2.0, -1.0], n_rows=1)
    for hour in (0, 12, 5 * 24):  # of working days, and of a weekend
        found = models.coefficients(MONDAY + 28 * 24 + hour)[0, 0]
        assert np.allclose(found, [2.0, -1.0], atol=0.2)


def test_hours_are_told_apart() -> None:
    models = hourly()
    for day in range(5):
        learn(models, MONDAY + 24 * day, [2.0, 0.0])
        learn(models, MONDAY + 24 * day + 12, [-2.0, 0.0])
    midnight, noon = (models.coefficients(MONDAY + hour - 1)[0, 0, 0] for hour in (0, 12))
    assert midnight > 1.7
    assert noon < -1.7


def test_old_rows_are_forgotten() -> None:
    models = hourly(BinGrid("day"))
    for day in range(60):
        learn(models, 19_000 + day, [2.0, 0.0] if day < 30 else [1.0, 0.0])
    assert abs(models.coefficients(19_060)[0, 0, 0] - 1.0) < 0.03


def test_rows_without_weight_teach_nothing() -> None:
    models = hourly()
    learn(models, MONDAY, [2.0, -1.0])
    before = {name: array.tobytes() for name, array in models.snapshot().items()}
    learn_rows(models, MONDAY, rows(9), np.full((1, 9), 1e9), np.zeros((1, 9)))
    assert {name: array.tobytes() for name, array in models.snapshot().items()} == before


def test_sums_that_are_not_finite_are_thrown_away() -> None:
    models = hourly()
    ones = np.ones((1, 9))
    assert learn_rows(models, MONDAY, np.full((1, 9, 2), np.nan), ones, ones) == 1
    assert np.isfinite(models.coefficients(MONDAY)).all()
    assert learn_rows(models, MONDAY, rows(9), ones, ones) == 0


def test_trust_falls_to_the_share_of_departures_that_came_true() -> None:
    trust = Trust(n_series=1, horizon=2, bins_per_slot=1)
    assert trust.of(slice(2)).tolist() == [[1.0], [1.0]]
    said, usual, weight = np.full((1, 5, 1), 4.0), np.full((5, 1), 10.0), np.ones((1, 5, 1))
    for _ in range(50):
        trust.learn(slice(1), said, 0.25 * said, usual, weight)
    assert abs(trust.of(slice(1)).item() - 0.25) < 0.02
    assert trust.of(slice(1, 2)).tolist() == [[1.0]]


def profile(horizon: int = 3) -> ForecastProfile:
    return ForecastProfile(("demand",), BinGrid(HOUR), horizon, (0.5,), (SEASON, 24))


class Run:
    """An expert in its surroundings, fed with slabs of (cell,)."""

    def __init__(self, values: Values) -> None:
        self.expert = PooledExpert(profile())
        self.features = PooledFeatures(profile())
        self.window = Window(profile().context_length, 1)
        surroundings = Surroundings(profile())
        self.means = []
        for bin_, row in enumerate(values, MONDAY):
            cells = [Cell(f"region {n}", "all") for n in range(np.isfinite(row).sum())]
            slab = Slab(bin_, row[: len(cells), None])
            self.window.append(bin_, slab.values)
            admitted, self.covariates = surroundings.observe(slab, cells, {})
            self.features.learn(bin_, admitted.values, self.covariates)
            self.expert.learn(self.window, admitted, self.covariates)
            self.means.append(self.expert.forecast(self.window, self.covariates)[0][0])


def shocks(n_bins: int, n_cells: int, kept: float = 0.8) -> Values:
    """Return levels of 100, moved by shocks of which ``kept`` is left a bin later."""
    random = np.random.default_rng(1)
    values = np.empty((n_bins, n_cells))
    shock = np.zeros(n_cells)
    for row in values:
        shock = kept * shock + random.normal(scale=6.0, size=n_cells)
        row[:] = 100.0 + shock
    return values


def matrix(run: Run, covariates: Covariates, origin: int, lead: int, expected: Singles) -> Singles:
    """Return the features of one pair: (feature, cell, series)."""
    look = run.features.look(run.window, covariates, range(origin, origin + 1))
    pair = np.array([origin]), np.array([lead])
    return look.matrix(*pair, expected[None], slice(None))[:, 0]


def test_features_of_many_pairs_are_those_of_each() -> None:
    run, leads = Run(shocks(60, 5)), np.array([2, 3])
    expected = np.random.default_rng(3).normal(100.0, 5.0, (2, 5, 1)).astype(np.float32)
    for origins, backs in ((range(1), np.zeros(2, np.int64)), (range(1, 4), leads)):
        look = run.features.look(run.window, run.covariates, origins)
        found = look.matrix(backs, leads, expected, slice(1, None, 2))
        for place, (origin, lead) in enumerate(zip(backs.tolist(), leads.tolist(), strict=True)):
            one = matrix(run, run.covariates, origin, lead, expected[place])
            assert found[:, place].tobytes() == one[:, 1::2].tobytes()


def test_models_of_many_leads_learn_as_each_alone() -> None:
    random, calendar = np.random.default_rng(4), Calendar(BinGrid(HOUR))
    together, alone = (HourlyLeastSquares(2, 3, 4, calendar) for _ in range(2))
    for bin_ in range(MONDAY, MONDAY + 30):
        rows, y, w = (random.random((2, 3, *shape)) for shape in ((4, 20), (20,), (20,)))
        w[:, 1, :5] = 0.0
        together.learn(slice(3), bin_, rows, y, w)
        for lead in range(3):
            own = slice(lead, lead + 1)
            alone.learn(own, bin_, rows[:, own], y[:, own], w[:, own])
    found, expected = together.coefficients(bin_), alone.coefficients(bin_)
    assert np.allclose(found, expected, rtol=1e-9)
    assert found.any()


def test_features_of_a_pair_read_nothing_after_their_origin() -> None:
    values = shocks(60, 3)
    later = values.copy()
    later[-1] += 5.0
    one, other = Run(values[:-1]), Run(later)
    expected = np.full((3, 1), 100.0, np.float32)
    for lead in range(2, 4):
        before = matrix(one, one.covariates, lead - 1, lead, expected)
        after = matrix(other, one.covariates, lead, lead, expected)
        assert before.tobytes() == after.tobytes()


def test_features_read_the_values_at_their_origin() -> None:
    values = shocks(60, 3)
    other = values.copy()
    other[-2] += 5.0
    one, two = Run(values), Run(other)
    expected = np.full((3, 1), 100.0, np.float32)
    matrices = [matrix(run, one.covariates, 1, 1, expected) for run in (one, two)]
    place = one.features.names.index("departure_0")
    assert np.allclose((matrices[1] - matrices[0])[place], 5.0, atol=0.5)


def test_what_is_left_of_shocks_is_learnt_at_every_lead() -> None:
    values = shocks(400, 40)
    means = np.stack(Run(values).means)  # (bin, cell, lead)
    for lead in (1, 2, 3):
        said = means[300:-lead, :, lead - 1] - 100.0
        left = 0.8**lead * (values[300:-lead] - 100.0)
        assert np.corrcoef(said.ravel(), left.ravel())[0, 1] > 0.8
        came = values[300 + lead :] - 100.0
        assert np.square(said - came).mean() < 1.5 * np.square(left - came).mean()


def test_the_first_bins_of_many_cells_teach_nothing_absurd() -> None:
    means = np.stack(Run(shocks(20, 120)).means)  # (bin, cell, lead)
    assert np.abs(means - 100.0).max() < 100.0


def test_cells_opened_hours_ago_are_forecast_by_what_others_taught() -> None:
    values = shocks(400, 40, kept=0.95)
    values[:376, 25:] = np.nan
    run = Run(values)
    said = np.stack(run.means[381:-1])[:, 25:, 0]  # (bin, new cell)
    came = values[382:, 25:]
    own = np.stack([values[376:bin_, 25:].mean(axis=0) for bin_ in range(382, 400)])
    assert np.abs(said - came).mean() < 0.8 * np.abs(own - came).mean()


def test_only_a_part_of_very_many_cells_is_learnt_from_but_all_are_forecast() -> None:
    values = np.random.default_rng(2).poisson(5.0, size=(30, 4500)).astype(np.float64)
    run = Run(values)
    assert run.means[-1].shape == (4500, 3)
    assert np.isfinite(run.means[-1]).all()
    learnt = run.expert.snapshot()["models/rows"].sum(axis=2)
    assert (learnt <= 2000 * 30).all()
