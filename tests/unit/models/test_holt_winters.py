"""River's Holt-Winters over arrays is River's Holt-Winters per cell."""

from __future__ import annotations

import numpy as np

from tidecast.models.online.holt_winters import make_holt_winters

SEASON = 4


def test_one_model_of_arrays_gives_the_numbers_of_one_river_model_per_cell() -> None:
    random = np.random.default_rng(0)
    level, trend = random.random((5, 2)), random.random((5, 2))
    seasons = random.random((SEASON, 5, 2))
    values = random.random((30, 5, 2))
    together = start(level, trend, seasons)
    for value in values:
        together.learn_one(value)
    ahead = np.stack(together.forecast(9))  # (lead, cell, series)
    for cell, series in np.ndindex(5, 2):
        alone = start(level[cell, series], trend[cell, series], seasons[:, cell, series])
        for value in values[:, cell, series]:
            alone.learn_one(float(value))
        assert ahead[:, cell, series].tolist() == alone.forecast(9)


def test_a_bin_that_brings_the_expected_value_changes_no_season() -> None:
    model = start(np.array([3.0]), np.array([0.0]), np.arange(4.0)[:, None])
    before = np.stack(model.forecast(8))
    for _ in range(SEASON):
        model.learn_one(model.forecast(1)[0])
    assert np.allclose(np.stack(model.forecast(8)), before)


def start(level, trend, seasons):  # type: ignore[no-untyped-def]
    model = make_holt_winters(SEASON)
    model.level.append(level)
    model.trend.append(trend)
    model.season.extend(seasons)
    model._initialized = True
    return model
