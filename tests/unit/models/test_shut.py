"""Days of the week on which a cell that sells on others is shut."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tidecast.models.covariates import Calendar
from tidecast.models.forecast import Forecast
from tidecast.models.forecaster import Forecaster
from tidecast.models.kin import Kin
from tidecast.models.profile import ForecastProfile
from tidecast.models.usual import UsualWeek
from tidecast.state.bins import BinGrid
from tidecast.state.cells import Cell
from tidecast.state.slabs import Slab

DAYS = BinGrid("day")
MONDAY = 5 * 365 + 1 + 5  # 1975-01-06
SATURDAY = 5
BUSY = (60.0, 80.0, 70.0, 75.0, 85.0, 0.0, 40.0)
SPARSE = (0.3, 0.4, 0.2, 0.3, 0.3, 0.0, 0.3)


def drawn(*weeks: Sequence[float], n_weeks: int, seed: int = 0) -> NDArray[np.float64]:
    """Return counts of cells with such weeks, (bin, cell, series)."""
    means = np.tile(np.array(weeks).T, (n_weeks, 1))
    return np.random.default_rng(seed).poisson(means)[..., None].astype(np.float64)


def shut(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell on which of the next seven days cells are shut, (day, cell); the first is a Monday."""
    n_cells = values.shape[1]
    week = UsualWeek(Calendar(DAYS), 1, memory=50)
    week.relate(Kin.of([Cell(f"region {n}", "all") for n in range(n_cells)], {}))
    level, scale = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    for bin_, slab in enumerate(values, MONDAY):
        week.learn(bin_, slab, level)
    bins = range(MONDAY + len(values), MONDAY + len(values) + 7)
    return np.asarray(week.shut(bins, level, scale)[..., 0])


def test_a_busy_cell_is_shut_on_the_day_that_sells_nothing_and_on_no_other() -> None:
    assert shut(drawn(BUSY, n_weeks=4))[:, 0].tolist() == [day == SATURDAY for day in range(7)]


def test_three_weeks_prove_nothing() -> None:
    assert not shut(drawn(BUSY, n_weeks=3)).any()


def test_one_day_of_sales_opens_it_again() -> None:
    values = drawn(BUSY, n_weeks=8)
    values[7 * 7 + SATURDAY] = 20.0
    assert not shut(values).any()


def test_zeros_of_a_sparse_cell_prove_nothing() -> None:
    assert not shut(drawn(SPARSE, n_weeks=12)).any()


def test_what_all_cells_prove_together_is_true_of_each() -> None:
    alike = shut(drawn(*[SPARSE] * 40, n_weeks=12))
    assert alike[SATURDAY].all()
    assert not np.delete(alike, SATURDAY, axis=0).any()


def test_where_one_cell_sells_the_others_have_to_prove_it_themselves() -> None:
    open_, closed = (70.0,) * 7, BUSY
    values = drawn(open_, closed, SPARSE, n_weeks=12)
    assert shut(values)[SATURDAY].tolist() == [False, True, False]


def test_cells_that_sell_nothing_at_all_are_not_shut() -> None:
    assert not shut(np.zeros((84, 2, 1))).any()


def test_a_day_whose_values_are_missing_is_not_shut() -> None:
    values = drawn(BUSY, n_weeks=12)
    values[SATURDAY::7] = np.nan
    assert not shut(values)[SATURDAY].any()


def swelling(n_weeks: int = 20) -> NDArray[np.float64]:
    """Return a season that swells: experts who add its trend say something of a shut day, too."""
    swell = np.exp(0.05 * np.fmax(np.arange(7 * n_weeks) - 7 * (n_weeks - 5), 0.0) ** 0.9)
    return np.rint(drawn(BUSY, n_weeks=n_weeks) * swell[:, None, None])


def run(values: NDArray[np.float64]) -> tuple[Forecaster, Forecast]:
    levels = (0.05, 0.1, 0.5, 0.9, 0.95)
    model = Forecaster(ForecastProfile(("demand",), DAYS, 7, levels, (7,)))
    for bin_, slab in enumerate(values, MONDAY):
        _, forecast = model.step(Slab(bin_, slab), [Cell("north", "all")], {})
    return model, forecast


def test_next_to_nothing_is_forecast_of_a_shut_day_however_others_swell() -> None:
    _, forecast = run(swelling())
    assert forecast.mean[0, 0, SATURDAY] < 0.5
    assert forecast.quantiles[0, 0, SATURDAY, -1] < 6.0
    assert (np.delete(forecast.mean[0, 0], SATURDAY) > 40.0).all()


def test_a_shop_that_opens_on_its_shut_day_is_forecast_there_a_few_weeks_later() -> None:
    week = [*BUSY]
    week[SATURDAY] = 50.0
    _, forecast = run(np.concatenate([drawn(BUSY, n_weeks=12), drawn(week, n_weeks=4)]))
    assert forecast.mean[0, 0, SATURDAY] > 30.0


def test_what_is_cut_off_of_a_shut_day_is_explained_and_the_parts_still_add_up() -> None:
    model, forecast = run(swelling())
    explanation = model.explain(0, [Cell("north", "all")], {})
    total = sum(explanation.parts.values())
    assert np.allclose(total, explanation.mean, atol=1e-4)
    assert np.allclose(explanation.mean[0], forecast.mean[0, 0])
    assert abs(explanation.parts["rest"][0, SATURDAY]) < 0.02
