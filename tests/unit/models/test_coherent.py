"""Forecasts of cells, and of what they add up to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tidecast.models.coherent import CoherentForecaster
from tidecast.models.forecast import Forecast, Opinion, Totals
from tidecast.models.forecaster import Forecaster
from tidecast.models.migrate import migrated_coherent
from tidecast.models.profile import ForecastProfile
from tidecast.models.scores import Scores
from tidecast.state.bins import HOUR, BinGrid
from tidecast.state.cells import ALL, Cell
from tidecast.state.changes import Change
from tidecast.state.covariates import Covariate, CovariateTable, Key
from tidecast.state.settings import Settings, parse_settings
from tidecast.state.settings.experts import DEFAULT_EXPERTS
from tidecast.state.slabs import Slab

FIRST_BIN = 480_000
HORIZON = 3
ANY: Key = (None, None)
CELLS = [Cell(f"region {n % 3}", f"category {n // 3}") for n in range(8)]
PROFILE = ForecastProfile(
    series=("demand", "hours", "traffic"),
    grid=BinGrid(HOUR),
    horizon=HORIZON,
    quantile_levels=(0.1, 0.5, 0.9),
    season_lengths=(6, 24),
    experts=("time_of_week", "holt_winters"),
    ratios=(1,),
)
Values = NDArray[np.float64]


def rhythm(n_bins: int, n_cells: int = 8, shared: float = 0.05) -> Values:
    """Return counts with a daily rhythm, (bin, cell, series).

    All cells share shocks of the variance ``shared``, relative to their mean.
    """
    random = np.random.default_rng(0)
    day = 1.0 + np.sin(np.arange(n_bins) * 2 * np.pi / 24)
    shock = random.gamma(1.0 / shared, shared, n_bins)
    level = np.linspace(1.0, 40.0, 8)[:n_cells, None] * np.array([1.0, 0.5, 3.0])
    return random.poisson((day * shock)[:, None, None] * level).astype(np.float64)


def run(
    model: CoherentForecaster, slabs: Values, first_bin: int = FIRST_BIN
) -> Iterator[tuple[Scores | None, Forecast]]:
    for bin_, values in enumerate(slabs, first_bin):
        yield model.step(Slab(bin_, values), CELLS[: len(values)], {})


def last(model: CoherentForecaster, slabs: Values, first_bin: int = FIRST_BIN) -> Forecast:
    *_, (_, forecast) = run(model, slabs, first_bin)
    return forecast


def totals_of(forecast: Forecast) -> Totals:
    assert forecast.totals is not None
    return forecast.totals


def as_bytes(forecast: Forecast) -> list[bytes]:
    of_sums = totals_of(forecast).forecast
    arrays = (forecast.mean, forecast.quantiles, of_sums.mean, of_sums.quantiles)
    return [array.tobytes() for array in arrays]


def test_means_add_up_over_regions_categories_and_the_total() -> None:
    slabs = rhythm(60)
    slabs[20, 3] = np.nan
    slabs[40:45] = 0.0
    slabs[50, 2] *= 50.0
    for _, forecast in run(CoherentForecaster(Forecaster(PROFILE)), slabs):
        totals = totals_of(forecast)
        assert totals.series == (0, 2)
        assert (forecast.mean >= 0).all()
        cells = forecast.mean[[0, 2]].astype(np.float64)
        for place, node in enumerate(totals.nodes):
            inside = [
                node.region in (ALL, cell.region) and node.category in (ALL, cell.category)
                for cell in CELLS
            ]
            added = cells[:, inside].sum(axis=1)
            assert np.allclose(totals.forecast.mean[:, place], added, rtol=6e-8, atol=0)


def test_quantiles_of_sums_are_of_their_own_level() -> None:
    forecast = last(CoherentForecaster(Forecaster(PROFILE)), rhythm(150, shared=1e-6))
    totals = totals_of(forecast)
    total = totals.nodes.index(Cell(ALL, ALL))
    assert (np.diff(totals.forecast.quantiles, axis=-1) >= 0).all()
    width = np.ptp(totals.forecast.quantiles[0, total], axis=-1)
    added = np.ptp(forecast.quantiles[0].sum(axis=0), axis=-1)
    assert (width < 0.8 * added).all()  # cells err independently


def test_quantiles_of_cells_follow_their_means_by_ratio() -> None:
    slabs = rhythm(80) / 3.0  # quantiles of whole numbers would be rounded
    model = CoherentForecaster(Forecaster(PROFILE))
    plain = Forecaster(PROFILE)
    for _ in run(model, slabs[:-1]):
        pass
    # a forecaster of cells with the same past, whose last forecast is not reconciled
    plain.restore(model.cells.snapshot())
    _, thought = plain.step(Slab(FIRST_BIN + 79, slabs[-1]), CELLS, {})
    _, forecast = model.step(Slab(FIRST_BIN + 79, slabs[-1]), CELLS, {})
    ratio = forecast.mean / thought.mean
    assert np.abs(ratio[[0, 2]] - 1.0).max() > 1e-3
    assert np.allclose(forecast.quantiles, thought.quantiles * ratio[..., None], rtol=1e-4)


def test_series_that_are_means_are_left_alone() -> None:
    slabs = rhythm(60)
    one = last(CoherentForecaster(Forecaster(PROFILE)), slabs)
    plain = Forecaster(PROFILE)
    for bin_, values in enumerate(slabs, FIRST_BIN):
        _, other = plain.step(Slab(bin_, values), CELLS, {})
    assert one.mean[1].tobytes() == other.mean[1].tobytes()
    assert one.quantiles[1].tobytes() == other.quantiles[1].tobytes()
    assert one.mean[0].tobytes() != other.mean[0].tobytes()


def test_nothing_is_made_of_one_cell_or_of_means_alone() -> None:
    assert last(CoherentForecaster(Forecaster(PROFILE)), rhythm(5, n_cells=1)).totals is None
    ratios = ForecastProfile(
        ("hours",), BinGrid(HOUR), HORIZON, (0.5,), (24,), ("time_of_week",), ratios=(0,)
    )
    assert last(CoherentForecaster(Forecaster(ratios)), rhythm(5)[..., :1]).totals is None


class Overheard(Forecaster):
    """A forecaster that keeps what it thought last."""

    opinion: Opinion

    def advance(self, *args: Any, **options: Any) -> Opinion:
        self.opinion = super().advance(*args, **options)
        return self.opinion


def test_what_is_known_ahead_moves_sums_as_it_moves_cells() -> None:
    slabs = rhythm(124)
    slabs[4::7, ::3] *= 3.0  # in one region, the last bin too
    bins = np.arange(FIRST_BIN + 4, FIRST_BIN + 140, 7)
    zeros, ones = np.zeros(len(bins), np.int64), np.ones(len(bins))
    keys: tuple[Key, ...] = (("region 0", None),)
    sale = CovariateTable([Covariate("sale", keys, bins, zeros, ones, zeros, absent=0.0)])
    model = CoherentForecaster(Forecaster(PROFILE, known=sale))
    totals = totals_of(last(model, slabs))
    nodes = (("region 0", ALL), ("region 1", ALL), (ALL, ALL))
    on_sale, other, total = (totals.nodes.index(Cell(*node)) for node in nodes)
    of_cells, of_sums = (
        part.snapshot()["surroundings/outlook/factors/values"][-1, :, 0]
        for part in (model.cells, model.totals)
    )
    assert of_cells[0] > 2.0
    assert of_sums[on_sale] == pytest.approx(of_cells[0])
    assert of_sums[other] == pytest.approx(of_cells[1])
    assert of_cells[1] < of_sums[total] < of_cells[0]
    learnt = model.totals.snapshot()["window/values"][-1, :, 0]
    assert learnt[total] == pytest.approx(slabs[-1, :, 0].sum() / of_sums[total])


def test_sums_expect_what_is_known_ahead() -> None:
    slabs = rhythm(124, shared=1e-6)
    slabs[::4] *= 3.0  # and so will be the next bin
    bins = np.arange(FIRST_BIN, FIRST_BIN + 140, 4)
    zeros, ones = np.zeros(len(bins), np.int64), np.ones(len(bins))
    sale = CovariateTable([Covariate("sale", (ANY,), bins, zeros, ones, zeros, absent=0.0)])
    overheard = Overheard(PROFILE.of_totals())
    model = CoherentForecaster(Forecaster(PROFILE, known=sale), overheard)
    total = totals_of(last(model, slabs)).nodes.index(Cell(ALL, ALL))
    usual = slabs[[101, 102, 103], :, 0].sum(axis=1)  # of the same hours, a day before
    found = overheard.opinion.mean[0, total] / (usual * [3.0, 1.0, 1.0])
    assert (np.abs(found - 1.0) < 0.2).all()


def test_a_cell_that_joins_brings_its_nodes() -> None:
    slabs = rhythm(30)
    model = CoherentForecaster(Forecaster(PROFILE))
    alone = last(model, slabs[:10, :3])
    assert [tuple(node) for node in totals_of(alone).nodes] == [(ALL, ALL)]
    *_, (_, forecast) = run(model, slabs[10:], FIRST_BIN + 10)
    assert len(totals_of(forecast).nodes) == 7
    assert np.isfinite(totals_of(forecast).forecast.quantiles).all()


def test_a_missing_cell_does_not_lower_its_sums() -> None:
    slabs = rhythm(120)
    gaps = slabs.copy()
    gaps[96:, 1] = np.nan
    whole, missing = (
        totals_of(last(CoherentForecaster(Forecaster(PROFILE)), values)).forecast.mean[0].sum()
        for values in (slabs, gaps)
    )
    assert abs(missing / whole - 1.0) < 0.05


def test_a_burst_of_a_cell_is_missing_in_its_sums() -> None:
    told, missing = rhythm(101), rhythm(101)
    told[100, 2], missing[100, 2] = 20_000.0, np.nan
    sums = []
    for slabs in (told, missing):
        model = CoherentForecaster(Forecaster(PROFILE))
        last(model, slabs)
        sums.append(model.totals.snapshot()["window/values"][-1].tobytes())
    assert sums[0] == sums[1]


def test_nothing_of_a_sum_itself_is_suspended() -> None:
    slabs = rhythm(101, n_cells=3)
    slabs[100, 2] = 2_000.0
    model = CoherentForecaster(Forecaster(PROFILE))
    last(model, slabs[:100, :2])
    last(model, slabs[100:], FIRST_BIN + 100)  # a large cell joins
    assert model.totals.snapshot()["window/values"][-1].tolist() == [[*slabs[100].sum(0)[[0, 2]]]]
    assert not any(counts.any() for counts in model.totals.actions.values())


def test_a_correction_that_still_looks_a_burst_does_not_reach_the_sums() -> None:
    slabs = rhythm(102)
    slabs[100, 2] = 20_000.0
    model = CoherentForecaster(Forecaster(replace(PROFILE, reach=10 * HOUR)))
    last(model, slabs)
    before = model.totals.snapshot()["window/values"].tobytes()
    slabs[100, 2] = 19_000.0
    model.correct(Slab(FIRST_BIN + 100, slabs[100], revision=1), CELLS)
    assert model.totals.snapshot()["window/values"].tobytes() == before


def test_a_restored_forecaster_goes_on_to_the_byte() -> None:
    slabs = rhythm(60)
    one, other = CoherentForecaster(Forecaster(PROFILE)), CoherentForecaster(Forecaster(PROFILE))
    for _ in run(one, slabs[:40, :5]):
        pass
    other.restore({name: array.copy() for name, array in one.snapshot().items()})
    rest = (run(model, slabs[40:], FIRST_BIN + 40) for model in (one, other))
    for (_, mine), (_, ours) in zip(*rest, strict=True):
        assert as_bytes(mine) == as_bytes(ours)


def test_a_correction_reaches_the_sums_and_may_bring_cells() -> None:
    slabs = rhythm(40)
    model = CoherentForecaster(Forecaster(PROFILE))
    for _ in run(model, slabs[:30, :5]):
        pass
    model.correct(Slab(FIRST_BIN + 29, slabs[29], revision=1), CELLS)
    window = model.totals.snapshot()["window/values"]  # (context, node, series)
    total = model.step(Slab(FIRST_BIN + 30, slabs[30]), CELLS, {})[1].totals
    assert total is not None
    assert slabs[29, :, 0].sum() in window[-1, :, 0]


def test_reconciled_sums_are_no_worse_than_the_sums_of_cells() -> None:
    slabs = rhythm(300)
    model, plain = CoherentForecaster(Forecaster(PROFILE)), Forecaster(PROFILE)
    total = 0
    errors = []
    for bin_, values in enumerate(slabs[:-1], FIRST_BIN):
        _, mine = model.step(Slab(bin_, values), CELLS, {})
        _, other = plain.step(Slab(bin_, values), CELLS, {})
        total = totals_of(mine).nodes.index(Cell(ALL, ALL))
        actual = slabs[bin_ + 1 - FIRST_BIN, :, 0].sum()
        errors.append(
            [
                totals_of(mine).forecast.mean[0, total, 0] - actual,
                other.mean[0, :, 0].sum() - actual,
            ]
        )
    ours, theirs = np.square(errors[100:]).mean(axis=0)
    assert ours < 1.01 * theirs


def settings_of(series: list[tuple[str, str]]) -> Settings:
    return parse_settings(
        {
            "sources": [{"name": "clicks", "topic": "c", "stream": "click"}],
            "series": [
                {"name": name, "stream": "click", "aggregate": aggregate, "of": "value"}
                for name, aggregate in series
            ],
            "forecast": {"horizon": 3, "quantile_levels": [0.1, 0.5, 0.9]},
        }
    )


def test_what_was_learnt_of_sums_is_migrated() -> None:
    old = settings_of([("hours", "mean"), ("demand", "sum"), ("traffic", "sum")])
    new = settings_of([("traffic", "sum"), ("new", "sum"), ("hours", "mean")])
    model = CoherentForecaster(Forecaster(ForecastProfile.of(old)))
    slabs = rhythm(60)[..., [1, 0, 2]]
    for _ in run(model, slabs):
        pass
    moved = CoherentForecaster(Forecaster(ForecastProfile.of(new)))
    moved.restore(migrated_coherent(Change.between(old, new), model.snapshot()))
    window = model.totals.snapshot()["window/values"]
    there = moved.totals.snapshot()["window/values"]
    assert there[..., 0].tobytes() == np.ascontiguousarray(window[..., 1]).tobytes()
    assert np.isnan(there[..., 1]).all()
    *_, (_, forecast) = run(moved, rhythm(3)[..., [2, 0, 1]], FIRST_BIN + 60)
    assert totals_of(forecast).series == (0, 1)
    assert np.isfinite(totals_of(forecast).forecast.quantiles).all()


def test_a_shop_of_means_only_has_no_sums() -> None:
    profile = replace(PROFILE, experts=DEFAULT_EXPERTS, ratios=(0, 1, 2))
    forecast = last(CoherentForecaster(Forecaster(profile)), rhythm(30))
    assert np.isfinite(forecast.mean).all()
    assert forecast.totals is None
