"""How sure a mean of so many values is, learnt from errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.counts import RATIOS, Counts
from tidecast.models.covariates import Calendar
from tidecast.models.forecaster import Forecaster
from tidecast.models.profile import ForecastProfile
from tidecast.state.bins import BinGrid
from tidecast.state.cells import Cell
from tidecast.state.slabs import Slab

DAYS = BinGrid("day")
FIRST_BIN = 19_000
CELLS = [Cell("north", str(number)) for number in range(6)]
NAN = float("nan")
Values = NDArray[np.float64]


def counts() -> Counts:
    return Counts(Calendar(DAYS), n_series=1)


def taught(ratio: float, bins: int = 400, sizes: Values | None = None) -> Counts:
    """Return what has seen errors whose variance is size^2 x (1 + ratio / n), n from 1 to 20."""
    model, rng = counts(), np.random.default_rng(1)
    sizes = np.ones(8) if sizes is None else sizes
    for bin_ in range(FIRST_BIN, FIRST_BIN + bins):
        n = rng.integers(1, 21, (len(sizes), 1)).astype(np.float64)
        spread = sizes[:, None] * np.sqrt(1.0 + ratio / n)
        model.judge(rng.laplace(size=n.shape) * spread, n)
        model.learn(bin_, n)
    return model


def test_the_ratio_of_what_one_value_adds_is_found() -> None:
    for ratio in (0.0, 4.0, 16.0):
        found = taught(ratio).ratio[0]
        assert abs(np.searchsorted(RATIOS, found) - np.searchsorted(RATIOS, ratio)) <= 1, ratio


def test_cells_of_other_sizes_do_not_pass_for_cells_of_other_counts() -> None:
    sizes = np.array([1e-3, 1.0, 1e3, 1e6])
    assert taught(0.0, sizes=sizes).ratio[0] <= 0.25


def test_nothing_is_said_before_errors_are_known() -> None:
    model = counts()
    assert model.spread(np.array([[1.0], [9.0]])).tolist() == [[1.0], [1.0]]
    assert model.ahead(range(3), 2).tolist() == [[[1.0]]]


def test_errors_of_few_values_are_expected_to_be_larger() -> None:
    model = taught(4.0)
    few, many, none, *_ = model.spread(np.array([[1.0], [100.0], *[[NAN]] * 6]))[:, 0]
    assert few > 1.7
    assert 1.0 < many < 1.1
    assert many < none < few  # as usual of the cell


def test_the_bins_ahead_are_as_sure_as_their_day_of_the_week_usually_is() -> None:
    model = taught(4.0)
    for bin_ in range(FIRST_BIN, FIRST_BIN + 140):
        n = 1.0 if bin_ % 7 == 0 else 50.0
        model.learn(bin_, np.full((8, 1), n))
    spread = model.ahead(range(FIRST_BIN + 140, FIRST_BIN + 147), 8)[0, 0]  # (bin,)
    sparse = (FIRST_BIN + 140 + np.arange(7)) % 7 == 0
    assert spread[sparse].min() > 1.3 * spread[~sparse].max()


def test_one_burst_does_not_make_the_ratio() -> None:
    model = taught(0.0)
    model.judge(np.full((8, 1), 1e15), np.ones((8, 1)))
    assert model.ratio[0] <= 1.0


def test_it_goes_on_from_a_snapshot() -> None:
    model, again = taught(4.0, bins=100), counts()
    again.restore(model.snapshot())
    for each in (model, again):
        each.judge(np.ones((9, 1)), np.full((9, 1), 3.0))  # a cell joins
        each.learn(FIRST_BIN + 100, np.full((9, 1), 3.0))
    assert again.ahead(range(7), 9).tobytes() == model.ahead(range(7), 9).tobytes()


def forecasts(slabs: Values, of: Values | None) -> list[tuple[bytes, bytes]]:
    """Return both series' quantiles, forecast from slabs whose means are ``of`` so many."""
    profile = ForecastProfile(("demand", "hours"), DAYS, 3, (0.1, 0.5, 0.9), (7,))
    model, found = Forecaster(profile), []
    for number, values in enumerate(slabs):
        told = None if of is None else of[number]
        slab = Slab(FIRST_BIN + number, values, counts=told)
        found.append(model.step(slab, CELLS, {})[1].quantiles)
    return [(demand.tobytes(), hours.tobytes()) for demand, hours in found]


def test_counts_move_only_the_series_they_are_of_and_nothing_where_none_are_told() -> None:
    rng = np.random.default_rng(2)
    n = rng.integers(1, 21, (90, 6)).astype(np.float64)
    hours = np.fmax(100.0 + 60.0 * rng.standard_normal((90, 6)) / np.sqrt(n), 1.0)
    slabs = np.stack([rng.poisson(5.0, (90, 6)), hours], axis=-1)
    nothing = np.full(slabs.shape, NAN)
    plain = forecasts(slabs, None)
    assert forecasts(slabs, nothing) == plain
    told = forecasts(slabs, np.stack([nothing[..., 0], n], axis=-1))
    assert told[-1] != plain[-1]
    assert [demand for demand, _ in told] == [demand for demand, _ in plain]
