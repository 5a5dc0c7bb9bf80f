"""Shapes by which experts' means become quantiles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.models.evaluate.said import Said
from tidecast.models.evaluate.shapes import ExpertShapes
from tidecast.models.event_groups import GROUPS
from tidecast.models.pending import Due
from tidecast.models.profile import ForecastProfile
from tidecast.state.bins import HOUR, BinGrid

PROFILE = ForecastProfile(
    series=("one", "two"),
    grid=BinGrid(HOUR),
    horizon=2,
    quantile_levels=(0.1, 0.5, 0.9),
    season_lengths=(24,),
    experts=("seasonal_naive", "time_of_week", "linear"),
)
N_CELLS = 50
Values = NDArray[np.float64]


def due(lead: int = 1, mean: float = 10.0) -> Due:
    """Return a forecast of the same mean by the blend and all experts."""
    means = np.full((4, 2, N_CELLS), mean, np.float32)
    scale = np.ones((2, N_CELLS), np.float32)
    shapes = np.zeros((2, len(GROUPS) + 1, 3), np.float32)
    return Due(lead, means, scale, shapes, np.zeros((2, 3), dtype=bool))


def learnt(shift: float, n_bins: int = 200) -> ExpertShapes:
    shapes = ExpertShapes(PROFILE)
    random = np.random.default_rng(2)
    for bin_ in range(n_bins):
        actual = 10.0 + shift + random.normal(size=(2, N_CELLS))
        learn(shapes, due(), actual, bin_)
    return shapes


def learn(shapes: ExpertShapes, said: Due, actual: Values | float, bin_: int) -> None:
    """Let ``shapes`` learn what came of a forecast, which then is made of the next bin."""
    issued = Said((said,), (shapes.of(said, bin_ - said.lead),))
    shapes.learn(issued, np.broadcast_to(actual, (2, N_CELLS)))
    shapes.keep(bin_)


def median(shapes: ExpertShapes, origin_bin: int) -> float:
    said = Said((due(),), (shapes.of(due(), origin_bin),))
    quantiles = said.quantiles(said.means(N_CELLS))
    return float(quantiles[2, 0, 0, 0, 1])


def test_an_expert_that_is_always_too_low_has_its_quantiles_moved_up() -> None:
    shapes = learnt(shift=3.0)
    shapes.keep(7)
    assert abs(median(shapes, 7) - 13.0) < 0.3


def test_the_shapes_of_a_forecast_are_those_of_its_origin() -> None:
    shapes = learnt(shift=0.0)
    shapes.keep(7)
    before = median(shapes, 7)
    learn(shapes, due(), 30.0, 8)
    assert median(shapes, 7) == before
    assert median(shapes, 8) > before


def test_a_plain_zero_is_zero_at_every_level_and_teaches_no_shape() -> None:
    shapes, nothing = learnt(0.0), due(mean=0.0)
    shapes.keep(1)
    before = median(shapes, 1)
    for bin_ in range(2, 51):
        learn(shapes, nothing, 5.0, bin_)
    assert median(shapes, 50) == before
    said = Said((nothing,), (shapes.of(nothing, 50),))
    assert (said.quantiles(said.means(N_CELLS))[1:] == 0).all()


def test_an_expert_that_sleeps_says_nothing() -> None:
    asleep = due()
    asleep.means[1, :, 3] = np.nan
    shapes = learnt(0.0, 5)
    learn(shapes, asleep, 10.0, 0)
    said = Said((asleep,), (shapes.of(asleep, 0),))
    quantiles = said.quantiles(said.means(N_CELLS + 1))
    assert np.isnan(quantiles[1, :, 3]).all()
    assert np.isfinite(quantiles[2, :, 3]).all()
    assert np.isnan(quantiles[:, :, N_CELLS]).all()  # a cell that came after the origin


def test_forecasts_may_be_taken_in_parts() -> None:
    dues = (due(1), due(2))
    shapes = learnt(0.0, 5)
    shapes.keep(0)
    said = Said(dues, tuple(shapes.of(each, 0) for each in dues))
    parts = list(said.parts(1))
    assert [part.places for part in parts] == [[0], [1]]
    assert [part.places for part in said.parts(10**6)] == [[0, 1]]
    whole = said.quantiles(said.means(N_CELLS))
    pieces = [part.quantiles(part.means(N_CELLS)) for part in parts]
    assert np.array_equal(np.concatenate(pieces, axis=3), whole)
