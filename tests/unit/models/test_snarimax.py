"""River's SNARIMAX over arrays is River's SNARIMAX per cell."""

from __future__ import annotations

import numpy as np
from river.linear_model import LinearRegression
from river.optim import SGD
from river.time_series import SNARIMAX

from tidecast.models.online.snarimax import (
    ERRORS,
    LAGS,
    LARGEST_GRADIENT,
    LEARNING_RATE,
    CellRegression,
    make_snarimax,
)

SEASON = 4
NAMES = ("y-1", "y-2", f"sy-{SEASON}", "e-1")


def one_cell() -> SNARIMAX:
    regressor = LinearRegression(
        optimizer=SGD(LEARNING_RATE), intercept_lr=0.0, clip_gradient=LARGEST_GRADIENT
    )
    return SNARIMAX(p=LAGS, d=0, q=ERRORS, m=SEASON, sp=1, regressor=regressor)


def test_one_model_of_arrays_gives_the_numbers_of_one_river_model_per_cell() -> None:
    values = np.random.default_rng(0).normal(size=(60, 5, 2))
    values[30, 2] = 50.0  # gradients are clipped
    together = make_snarimax(SEASON, CellRegression(NAMES, (5, 2)))
    for value in values:
        together.learn_one(value)
    ahead = np.stack(together.forecast(9))  # (lead, cell, series)
    for cell, series in np.ndindex(5, 2):
        alone = one_cell()
        for value in values[:, cell, series]:
            alone.learn_one(float(value))
        assert np.allclose(ahead[:, cell, series], alone.forecast(9), rtol=1e-9, atol=1e-12)


def test_a_bin_that_brings_what_was_expected_teaches_nothing() -> None:
    model = make_snarimax(SEASON, CellRegression(NAMES, (1, 1)))
    for value in np.random.default_rng(0).normal(size=(60, 1, 1)):
        model.learn_one(value)
    before = {name: weight.copy() for name, weight in model.regressor.weights.items()}
    model.learn_one(model.forecast(1)[0])
    assert model.regressor.weights == before
