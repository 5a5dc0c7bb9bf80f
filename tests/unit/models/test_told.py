"""What past and static covariates tell, and what is made of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tidecast.models.forecaster import Forecaster
from tidecast.models.profile import ForecastProfile
from tidecast.models.told import Told
from tidecast.state.bins import BinGrid
from tidecast.state.cells import Cell
from tidecast.state.covariates import ALWAYS, FOREVER, Covariate, CovariateTable
from tidecast.state.slabs import Slab

FIRST_BIN = 14_914
GRID = BinGrid("day")
CELLS = [Cell(f"region {n}", "all") for n in range(12)]
PROFILE = ForecastProfile(("orders",), GRID, 4, (0.1, 0.5, 0.9), (6,), experts=("pooled",))
PAST = replace(PROFILE, past=("spend",))
STATIC = replace(PROFILE, static=("area",))
Values = NDArray[np.float64]


def spend(values: Values, days_later: int = 0) -> CovariateTable:
    """Return what was spent, (bin, cell), known so many days after its bin."""
    n_bins, n_cells = values.shape
    bins = np.repeat(np.arange(n_bins), n_cells) + FIRST_BIN
    keys = tuple((cell.region, None) for cell in CELLS[:n_cells])
    places = np.tile(np.arange(n_cells), n_bins)
    known_at = np.array([GRID.end(int(bin_) + days_later) for bin_ in bins])
    rows = Covariate("spend", keys, bins, places, values.ravel(), known_at, kind="past")
    return CovariateTable([rows])


def areas(*values: float) -> CovariateTable:
    n = len(values)
    keys = tuple((cell.region, None) for cell in CELLS[:n])
    row = np.full(n, FOREVER), np.arange(n), np.array(values), np.full(n, ALWAYS)
    return CovariateTable([Covariate("area", keys, *row, kind="static")])


def told(table: CovariateTable, n_bins: int) -> list[float]:
    """Return what is told of one cell at the end of each bin."""
    of = Told(PAST, table)
    return [float(of.at(FIRST_BIN + n, CELLS[:1])[0, 0]) for n in range(n_bins)]


def test_a_past_covariate_tells_its_deviation_once_it_is_known() -> None:
    values = np.array([4.0, 4.0, 8.0, 4.0, 4.0])[:, None]
    at_once, later = told(spend(values), 5), told(spend(values, days_later=1), 6)
    assert at_once[:3] == [0.0, 0.0, 1.0]
    assert later[:4] == [0.0, *at_once[:3]]


def test_the_newest_known_value_holds_until_it_is_too_old() -> None:
    values = np.array([4.0, 4.0, 8.0])[:, None]
    found = told(spend(values), 20)
    assert all(value > 0.0 for value in found[2:14])
    assert found[15:] == [0.0] * 5


def test_a_static_covariate_tells_less_as_the_cell_grows_old() -> None:
    of = Told(STATIC, areas(10.0, 30.0))
    found = [of.at(FIRST_BIN + n, CELLS[:3])[0].tolist() for n in range(7)]
    assert found[0] == [-1.0, 1.0, 0.0]  # of the third cell nothing is known
    assert found[6] == [-0.5, 0.5, 0.0]


def test_tables_without_any_difference_tell_nothing() -> None:
    for table in (areas(10.0, 10.0), areas(), areas(np.nan, 1.0)):
        assert not Told(STATIC, table).at(FIRST_BIN, CELLS).any()


def errors(table: CovariateTable | None, spent: Values) -> Values:
    """Return the squared errors, by lead, of orders that rise two days after something is spent."""
    random = np.random.default_rng(1)
    moved = np.zeros_like(spent)
    moved[2:] = 0.25 * (spent[:-2] - 2.0)
    orders = random.poisson(20.0 * np.clip(1.0 + moved, 0.1, None)).astype(np.float64)
    model = Forecaster(PAST if table else PROFILE, known=table)
    squared = np.zeros(PROFILE.horizon)
    for n, row in enumerate(orders):
        if n >= 90:
            for due in model.said_of(FIRST_BIN + n):
                squared[due.lead - 1] += ((due.means[0, 0] - row) ** 2).mean()
        model.step(Slab(FIRST_BIN + n, row[:, None]), CELLS, {})
    return squared


def test_orders_that_follow_a_past_covariate_are_forecast_at_its_lag_only() -> None:
    spent = np.random.default_rng(0).gamma(2.0, size=(150, len(CELLS)))
    ignorant, knowing = errors(None, spent), errors(spend(spent), spent)
    assert knowing[1] < 0.6 * ignorant[1]
    assert (knowing[[0, 2, 3]] < 1.05 * ignorant[[0, 2, 3]]).all()
    leaked = errors(spend(spent, days_later=2), spent)  # too late for that lag
    assert leaked[1] > 0.9 * ignorant[1]


def test_a_restored_forecaster_goes_on_with_what_was_told() -> None:
    table = CovariateTable(
        [*spend(np.ones((40, 12)) * np.arange(40)[:, None] % 5).covariates, *areas(1, 2).covariates]
    )
    profile = replace(PAST, static=("area",))
    model, other = (Forecaster(profile, known=table) for _ in range(2))
    slabs = np.random.default_rng(2).poisson(9.0, size=(40, 12, 1)).astype(np.float64)
    for n, row in enumerate(slabs):
        if n == 30:
            other.restore({name: array.copy() for name, array in model.snapshot().items()})
        said = model.step(Slab(FIRST_BIN + n, row), CELLS, {})[1]
        if n >= 30:
            again = other.step(Slab(FIRST_BIN + n, row), CELLS, {})[1]
            assert again.mean.tobytes() == said.mean.tobytes()
