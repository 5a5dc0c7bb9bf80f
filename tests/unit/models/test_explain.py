"""What forecasts are made of."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from numpy.typing import NDArray

from tidecast.models.coherent import CoherentForecaster
from tidecast.models.experts import EXPERTS
from tidecast.models.explain import Explanation, Issued, explained
from tidecast.models.forecast import Forecast
from tidecast.models.forecaster import Forecaster
from tidecast.models.parts import PARTS, Parts
from tidecast.models.profile import ForecastProfile
from tidecast.state.bins import HOUR, BinGrid
from tidecast.state.cells import ALL, Cell
from tidecast.state.covariates import Covariate, CovariateTable
from tidecast.state.holidays import Holidays
from tidecast.state.slabs import Slab

CELLS = [Cell(f"region {n}", "all") for n in range(6)]
POSITIONS = {cell.region: (50.0 + n, 5.0) for n, cell in enumerate(CELLS)}
WITHOUT_TERMS = {"hoeffding_tree", "forest", "knn", "deep"}
ASKED = tuple(name for name in EXPERTS if name not in WITHOUT_TERMS)
HOURS = ForecastProfile(("demand", "traffic"), BinGrid(HOUR), 5, (0.1, 0.5, 0.9), (6, 24), ASKED)
DAYS = replace(HOURS, series=("demand",), grid=BinGrid("day"), season_lengths=(7,))
FIRST_DAY = date(2023, 9, 1).toordinal() - date(1970, 1, 1).toordinal()
Values = NDArray[np.float64]


def rhythm(n_bins: int, n_series: int = 2) -> Values:
    """Return counts with a daily rhythm and moods that last, some missing: (bin, cell, series).

    The second series has the moods of the first three bins before.
    """
    random = np.random.default_rng(1)
    day = 1.2 + np.sin(np.arange(n_bins) * 2 * np.pi / 24)
    moods = np.exp(0.5 * random.normal(size=(n_bins // 6 + 2, len(CELLS)))).repeat(6, axis=0)
    both = np.stack([moods[3 : 3 + n_bins], moods[:n_bins]][:n_series], axis=2)
    level = np.linspace(10.0, 80.0, len(CELLS))[:, None] * np.arange(1.0, n_series + 1.0)
    counts = random.poisson(day[:, None, None] * level * both).astype(np.float64)
    counts[random.random(counts.shape) < 0.05] = np.nan
    return counts


def run(model: Forecaster, slabs: Values, first_bin: int = 480_000) -> Forecast:
    for bin_, values in enumerate(slabs, first_bin):
        _, forecast = model.step(Slab(bin_, values), CELLS, POSITIONS)
    return forecast


def explain(model: Forecaster, cell: int = 2) -> Explanation:
    return model.explain(cell, CELLS, POSITIONS)


def size(parts: Parts) -> Values:
    return np.asarray(sum(np.abs(part) for part in parts.values()))


@pytest.fixture(scope="module")
def hourly() -> tuple[Forecaster, Forecast]:
    """A forecaster of which every expert is awake."""
    model = Forecaster(HOURS)
    forecast = run(model, rhythm(400))
    assert set(forecast.weights) == set(ASKED)
    return model, forecast


def test_parts_add_up_to_the_mean_that_was_given_out(
    hourly: tuple[Forecaster, Forecast],
) -> None:
    model, forecast = hourly
    for cell in range(len(CELLS)):
        told = explain(model, cell)
        assert tuple(told.parts) == PARTS
        assert told.mean.tolist() == forecast.mean[:, cell].tolist()
        assert np.allclose(sum(told.parts.values()), told.mean, rtol=1e-12, atol=1e-12)


def test_hardly_anything_is_left_over(hourly: tuple[Forecaster, Forecast]) -> None:
    told = explain(hourly[0])
    assert (np.abs(told.parts["rest"]) <= 1e-6 * size(told.parts)).all()
    assert (np.abs(told.parts["neighbours"]) > 0.0).all()


def test_experts_are_told_with_their_shares(hourly: tuple[Forecaster, Forecast]) -> None:
    told = explain(hourly[0])
    mixed = sum(told.weights[name] * np.nan_to_num(told.said[name]) for name in ASKED)
    assert np.allclose(sum(told.weights.values()), 1.0)
    assert np.allclose(mixed, told.mean, rtol=1e-5)


def test_explaining_changes_nothing(hourly: tuple[Forecaster, Forecast]) -> None:
    model, _ = hourly
    before = {name: array.tobytes() for name, array in model.snapshot().items()}
    explain(model)
    assert {name: array.tobytes() for name, array in model.snapshot().items()} == before


def test_a_restored_forecaster_says_the_same_to_the_byte(
    hourly: tuple[Forecaster, Forecast],
) -> None:
    model, _ = hourly
    restored = Forecaster(HOURS)
    restored.restore(model.snapshot())
    mine, theirs = explain(model), explain(restored)
    assert theirs.mean.tobytes() == mine.mean.tobytes()
    for name in PARTS:
        assert theirs.parts[name].tobytes() == mine.parts[name].tobytes(), name


def test_what_a_refit_has_changed_since_is_told_as_rest() -> None:
    model = Forecaster(replace(HOURS, experts=("trees",)))
    run(model, rhythm(400))
    trees = model.panel.experts[0]
    before = explain(model)
    trees.swap([b"", b""])  # type: ignore[attr-defined]
    after = explain(model)
    assert after.parts["rest"].tolist() == after.mean.tolist() == before.mean.tolist()


def test_a_series_without_any_rhythm_is_all_level() -> None:
    model = Forecaster(replace(HOURS, experts=("time_of_week", "holt_winters", "tsb", "linear")))
    run(model, np.full((100, len(CELLS), 2), 5.0))
    parts = explain(model).parts
    assert np.allclose(parts["level"], 5.0, rtol=1e-3)
    assert size({name: part for name, part in parts.items() if name != "level"}).max() < 0.01


def test_where_all_experts_sleep_the_level_is_forecast() -> None:
    model = Forecaster(replace(HOURS, experts=("trees",)))
    forecast = run(model, np.full((30, len(CELLS), 2), 5.0))
    told = explain(model)
    assert told.parts["level"].tolist() == told.mean.tolist() == forecast.mean[:, 2].tolist()
    assert not any(weight.any() for weight in told.weights.values())


def test_nothing_is_told_of_a_cell_that_was_not_forecast() -> None:
    model = Forecaster(HOURS)
    with pytest.raises(LookupError, match="cell 0"):
        model.explain(0, (), {})
    run(model, rhythm(3))
    with pytest.raises(LookupError, match="cell 6"):
        explain(model, 6)


def daily(n_days: int) -> Values:
    return np.random.default_rng(2).poisson(20.0, (n_days, len(CELLS), 1)).astype(np.float64)


def test_a_holiday_ahead_is_the_calendars_part() -> None:
    holidays = Holidays("DE")
    slabs = daily(480)
    for n in range(len(slabs)):
        slabs[n] *= (
            0.2
            if date.fromordinal(FIRST_DAY + n + date(1970, 1, 1).toordinal()) in (holidays)
            else 1.0
        )
    christmas = date(2024, 12, 25).toordinal() - date(2023, 9, 1).toordinal()
    model = Forecaster(replace(DAYS, experts=("time_of_week", "tsb"), holidays="DE"))
    forecast = run(model, slabs[: christmas - 1], FIRST_DAY)
    told = explain(model)
    usual = 20.0
    assert told.mean[0, 1] < 0.7 * usual
    assert told.parts["calendar"][0, 1] < -0.3 * usual
    assert not told.parts["covariate"].any()
    assert np.abs(told.parts["rest"]).max() < 1e-4
    assert told.mean.tolist() == forecast.mean[:, 2].tolist()


def promotion(bins: list[int]) -> CovariateTable:
    at = np.array(bins) + FIRST_DAY
    none, ones = np.zeros(len(at), np.int64), np.ones(len(at))
    known_at = np.full(len(at), -(2**62))
    return CovariateTable([Covariate("promotion", ((None, None),), at, none, ones, known_at, 0.0)])


def promoted(model: Forecaster) -> Forecast:
    slabs = daily(121)
    slabs[::10] *= 2.0
    return run(model, slabs[:-1], FIRST_DAY)


def test_a_promotion_ahead_is_the_covariates_part_also_once_restored() -> None:
    profile = replace(DAYS, experts=("time_of_week", "tsb"))
    known = promotion(list(range(0, 121, 10)))
    model = Forecaster(profile, known=known)
    promoted(model)
    told = explain(model)
    assert told.parts["covariate"][0, 0] > 10.0
    assert np.abs(told.parts["covariate"][0, 1:]).max() < 3.0  # none is less than the usual share
    assert not told.parts["calendar"].any()
    restored = Forecaster(profile, known=known)
    restored.restore(model.snapshot())
    assert explain(restored).parts["covariate"].tobytes() == told.parts["covariate"].tobytes()


def one(value: float) -> Values:
    return np.full((1, 1), value)


def blended(said: list[float], parts: list[Parts], mean: float, amiss: float = 1.0) -> Explanation:
    means = np.array([mean, *said], np.float32)[:, None, None]
    weights = np.full((len(said), 1, 1), 1.0 / len(said), np.float32)
    about = ("one",), 0, means, weights
    factor = np.array([amiss], np.float32)
    issued = Issued(*about, level=np.array([7.0]), ceiling=np.array([[10.0]]), amiss=factor)
    return explained(issued, {f"{n}": each for n, each in enumerate(parts)}, {})


def test_what_the_guards_ceiling_cuts_off_is_told_as_the_limit() -> None:
    told = blended([10.0], [{"level": one(4.0), "recent": one(11.0)}], 10.0)
    assert told.parts["limit"].item() == -5.0
    assert told.parts["rest"].item() == 0.0


def test_what_all_experts_were_off_by_is_told_as_recent() -> None:
    told = blended([8.0], [{"level": one(8.0)}], 4.0, amiss=0.5)
    assert told.parts["level"].item() == 8.0
    assert told.parts["recent"].item() == -4.0
    assert told.parts["coherence"].item() == told.parts["rest"].item() == 0.0


def test_an_expert_that_sleeps_counts_for_nothing() -> None:
    parts = [{"level": one(4.0)}, {"level": one(np.nan)}]
    told = blended([4.0, np.nan], parts, 4.0)
    assert told.parts["level"].item() == 4.0
    assert told.weights["1"].item() == 0.0


def test_what_makes_cells_and_sums_agree_is_a_part_of_both() -> None:
    profile = replace(HOURS, series=("demand",), experts=("time_of_week", "tsb"))
    model = CoherentForecaster(Forecaster(profile))
    for bin_, values in enumerate(rhythm(200, 1)):
        model.step(Slab(bin_, values), CELLS, POSITIONS)
    told = [model.explain(cell, CELLS, POSITIONS) for cell in CELLS]
    total = model.explain(Cell(ALL, ALL), CELLS, POSITIONS)
    assert np.allclose(sum(each.mean for each in told), total.mean, rtol=1e-6)
    moved = [np.abs(each.parts["coherence"]) for each in (*told, total)]
    assert min(part.max() for part in moved) > 1e-3
    for each in (*told, total):
        assert (np.abs(each.parts["rest"]) <= 1e-6 * size(each.parts)).all()


def test_nothing_is_told_of_a_sum_that_there_is_not() -> None:
    with pytest.raises(LookupError, match="no cell"):
        CoherentForecaster(Forecaster(HOURS)).explain(Cell("nowhere", ALL), CELLS, POSITIONS)
