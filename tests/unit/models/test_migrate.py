"""What was learnt goes on under other series and levels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays
from tidecast.models.forecast import Forecast
from tidecast.models.forecaster import Forecaster
from tidecast.models.migrate import migrated_arrays
from tidecast.models.profile import ForecastProfile
from tidecast.state.cells import Cell
from tidecast.state.changes import Change
from tidecast.state.errors import CheckpointError
from tidecast.state.settings import Settings, parse_settings
from tidecast.state.settings.experts import DEFAULT_EXPERTS, EXPERT_NAMES
from tidecast.state.slabs import Slab

FIRST_BIN = 480_000
SERIES = ("a", "b", "c", "d", "e")
CELLS = [Cell(f"region {n}", "x") for n in range(3)]
POSITIONS = {cell.region: (50.0 + n, 5.0) for n, cell in enumerate(CELLS)}


def config(
    series: str,
    levels: tuple[float, ...] = (0.1, 0.5, 0.9),
    experts: tuple[str, ...] = DEFAULT_EXPERTS,
) -> Settings:
    return parse_settings(
        {
            "sources": [{"name": "clicks", "topic": "c", "stream": "click"}],
            "series": [
                {"name": name, "stream": "click", "aggregate": "sum", "of": "value"}
                for name in series
            ],
            "forecast": {
                "horizon": 3,
                "quantile_levels": levels,
                "season_lengths": [6, 24],
                "experts": experts,
            },
        }
    )


def rhythm(seed: int, n_bins: int = 60) -> NDArray[np.float64]:
    """Return counts with a rhythm, (bin, cell, series of SERIES)."""
    chance = np.random.default_rng(seed)
    day = 1.0 + np.sin(np.arange(n_bins) * 2 * np.pi / 24)
    level = np.array([[1.0, 4.0, 9.0]]).T * np.arange(1.0, 6.0)
    return chance.poisson(day[:, None, None] * level).astype(np.float64)


def run(model: Forecaster, slabs: NDArray[np.float64], first: int = 0) -> list[Forecast]:
    """Step over the slabs of the model's series, from the bin ``first``; three cells, one late."""
    columns = [SERIES.index(name) for name in model.profile.series]
    found = []
    for bin_ in range(first, len(slabs)):
        n_cells = 2 if bin_ < 10 else 3
        slab = Slab(FIRST_BIN + bin_, slabs[bin_, :n_cells, columns].T)
        found.append(model.step(slab, CELLS[:n_cells], POSITIONS)[1])
    return found


def forecaster(settings_: Settings, arrays: Arrays | None = None) -> Forecaster:
    model = Forecaster(ForecastProfile.of(settings_))
    if arrays is not None:
        model.restore({name: array.copy() for name, array in arrays.items()})
    return model


def migrated(old: Settings, new: Settings, model: Forecaster) -> Forecaster:
    arrays = migrated_arrays(Change.between(old, new), model.snapshot())
    return forecaster(new, arrays)


def of_series(forecasts: list[Forecast], number: int) -> list[Any]:
    return [
        [f.mean[number].tolist(), f.quantiles[number].tolist()]
        + [(expert, weight[number].tolist()) for expert, weight in f.weights.items()]
        for f in forecasts
    ]


@settings(max_examples=8, deadline=None)
@given(cut=st.integers(1, 59), seed=st.integers(0, 3), before=st.sampled_from(["ab", "bca", "c"]))
def test_kept_series_are_forecast_as_if_nothing_had_changed(
    cut: int, seed: int, before: str
) -> None:
    slabs = rhythm(seed)
    old, new = config(before), config("dceb"[: 2 + len(before)])
    through, moved = forecaster(old), forecaster(old)
    run(through, slabs[:cut])
    run(moved, slabs[:cut])
    moved = migrated(old, new, moved)
    one, other = run(through, slabs, cut), run(moved, slabs, cut)
    for name in set(before) & set(moved.profile.series):
        mine = of_series(other, moved.profile.series.index(name))
        assert mine == of_series(one, before.index(name))


@settings(max_examples=8, deadline=None)
@given(cut=st.integers(10, 59), seed=st.integers(0, 3))
def test_an_added_series_is_forecast_as_by_a_forecaster_that_starts_there(
    cut: int, seed: int
) -> None:
    slabs = rhythm(seed)
    model = forecaster(config("ab"))
    run(model, slabs[:cut])
    moved, fresh = migrated(config("ab"), config("acb"), model), forecaster(config("c"))
    assert of_series(run(moved, slabs, cut), 1) == of_series(run(fresh, slabs, cut), 0)


def test_there_and_back_leaves_every_byte_as_it_was() -> None:
    old, new = config("abc"), config("cdbea", levels=(0.05, 0.1, 0.3, 0.5, 0.9))
    model = forecaster(old)
    run(model, rhythm(0))
    back = migrated(new, old, migrated(old, new, model)).snapshot()
    before = model.snapshot()
    assert list(back) == list(before)
    for name, array in before.items():
        assert (back[name].dtype, back[name].tobytes()) == (array.dtype, array.tobytes()), name


def test_levels_that_stay_keep_their_quantiles_and_added_ones_lie_between() -> None:
    old, new = config("ab"), config("ab", levels=(0.02, 0.1, 0.3, 0.5, 0.8))
    slabs = rhythm(1)
    one, other = forecaster(old), forecaster(old)
    run(one, slabs[:40])
    run(other, slabs[:40])
    other = migrated(old, new, other)
    pairs = list(zip(run(one, slabs, 40), run(other, slabs, 40), strict=True))
    mine, theirs = pairs[0]
    assert theirs.quantiles[..., [1, 3]].tobytes() == mine.quantiles[..., :2].tobytes()
    for mine, theirs in pairs:
        assert theirs.mean.tobytes() == mine.mean.tobytes()
        assert (np.diff(theirs.quantiles, axis=-1) >= 0).all()
        width = mine.quantiles[..., [2]] - mine.quantiles[..., [0]]  # counts are ranked by levels
        apart = np.abs(theirs.quantiles[..., [1, 3]] - mine.quantiles[..., :2])
        assert (apart <= 0.05 * width + 1e-6).all()


def test_levels_that_stay_keep_their_quantiles_to_the_byte_where_values_are_no_counts() -> None:
    old, new = config("ab"), config("ab", levels=(0.02, 0.1, 0.3, 0.5, 0.8))
    slabs = 100.0 + 1.25 * rhythm(1)  # no whole numbers, no zeros: nothing is ranked by levels
    one, other = forecaster(old), forecaster(old)
    run(one, slabs[:40])
    run(other, slabs[:40])
    other = migrated(old, new, other)
    for mine, theirs in zip(run(one, slabs, 40), run(other, slabs, 40), strict=True):
        assert theirs.quantiles[..., [1, 3]].tobytes() == mine.quantiles[..., :2].tobytes()


def test_forecasts_under_way_are_scored_at_the_levels_of_now() -> None:
    old, new = config("ab"), config("ab", levels=(0.1, 0.3, 0.5, 0.7, 0.9))
    slabs = rhythm(2)
    one, other = forecaster(old), forecaster(old)
    run(one, slabs[:40])
    run(other, slabs[:40])
    other = migrated(old, new, other)
    slab = Slab(FIRST_BIN + 40, slabs[40, :, :2])
    mine, theirs = (m.step(slab, CELLS, POSITIONS)[0] for m in (one, other))
    assert mine is not None
    assert theirs is not None
    assert theirs.abs_error.tobytes() == mine.abs_error.tobytes()
    assert theirs.intervals == (0.8, 0.4)
    assert theirs.covered[0].tolist() == mine.covered[0].tolist()
    assert (theirs.covered[1] <= theirs.covered[0]).all()


def test_an_array_that_nobody_can_tell_the_axes_of_is_refused() -> None:
    arrays = forecaster(config("ab")).snapshot() | {"expert-new/state": np.zeros(3)}
    with pytest.raises(CheckpointError, match="expert-new/state"):
        migrated_arrays(Change.between(config("ab"), config("b")), arrays)


@pytest.mark.parametrize("series", ["abcde", "e"])
def test_every_array_has_its_axis_of_series_where_it_is_said_to_be(series: str) -> None:
    old, new = (config(names, experts=EXPERT_NAMES) for names in ("abc", series))
    model = forecaster(old)
    run(model, rhythm(0))
    after = migrated_arrays(Change.between(old, new), model.snapshot())
    fresh = forecaster(new)
    run(fresh, rhythm(0))
    shapes = {name: array.shape for name, array in fresh.snapshot().items()}
    found = {name: array.shape for name, array in after.items()}
    if len(series) == 1:  # of which no cells are known to who listens to others
        shapes, found = (
            {name: shape for name, shape in of.items() if "leading" not in name}
            for of in (shapes, found)
        )
    assert found == shapes
