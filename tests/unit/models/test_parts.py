"""Parts of forecasts, and of recursions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tidecast.models.online.features import FEATURES as OF_LINEAR
from tidecast.models.online.pooled_features import PooledFeatures
from tidecast.models.online.space_time import SpaceTime
from tidecast.models.online.unrolled import unrolled
from tidecast.models.parts import PARTS, grouped, of_features, within
from tidecast.models.periodic.features import FEATURES as OF_TREES
from tidecast.models.profile import ForecastProfile
from tidecast.state.bins import HOUR, BinGrid

PROFILE = ForecastProfile(("one",), BinGrid(HOUR), 5, (0.5,), (24, 168))


def test_every_feature_and_term_belongs_to_a_part() -> None:
    of_names = of_features((*OF_LINEAR, "intercept", *OF_TREES))
    pooled = PooledFeatures(replace(PROFILE, past=("total",), static=("size",)))
    assert {*of_names, *pooled.parts, *SpaceTime(1, 24).parts} <= set(PARTS)
    assert len(pooled.parts) == len(pooled.names)
    assert pooled.parts[-3:] == ("neighbours", "covariate", "covariate")


def test_terms_are_added_up_by_their_part() -> None:
    terms = np.array([1.0, 2.0, 4.0]).reshape(3, 1, 1)
    found = grouped(terms, ("recent", "season", "recent"))
    assert {name: part.item() for name, part in found.items()} == {"recent": 5.0, "season": 2.0}


def test_what_lies_beyond_a_bound_is_cut_by_a_part_of_its_own() -> None:
    parts = {"level": np.array([[1.0, 5.0, -2.0, np.nan]])}
    assert np.array_equal(
        within(parts, 0.0, 3.0)["limit"], [[0.0, -2.0, 2.0, np.nan]], equal_nan=True
    )


def test_forecasts_of_forecasts_come_from_what_came() -> None:
    values = np.array([[8.0], [4.0], [2.0]])[..., None]  # (lead, term, series)
    found = unrolled(np.array([[0.5]]), values, [1], ["recent"])
    assert found["recent"].tolist() == [[4.0, 2.0, 1.0]]


def test_a_lag_beyond_a_forecast_has_the_parts_of_that_forecast() -> None:
    weights = np.array([[0.5], [1.0]])
    values = np.array([[8.0, 3.0], [7.0, 5.0]])[..., None]  # lag 1; something else
    found = unrolled(weights, values, [1, 0], ["recent", "neighbours"])
    assert found["recent"].tolist() == [[4.0, 2.0]]
    assert found["neighbours"].tolist() == [[3.0, 6.5]]
