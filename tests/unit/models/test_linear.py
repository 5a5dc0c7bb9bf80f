"""The pooled linear model, its regression and its features."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tidecast.models.covariates import Calendar, Covariates
from tidecast.models.online.features import FEATURES, FeatureTable
from tidecast.models.online.regression import (
    LARGEST_GRADIENT,
    LEARNING_RATE,
    UNIT,
    ArrayRegression,
)
from tidecast.state.bins import HOUR, BinGrid
from tidecast.state.window import Window

BIN = 480_000
SEASON = 6
RANDOM = np.random.default_rng(0)


def test_arrays_are_learnt_as_river_learns_data_frames() -> None:
    by_array, by_frame = ArrayRegression(), ArrayRegression()
    for _ in range(20):
        features = RANDOM.normal(size=(50, len(FEATURES)))
        target = 0.4 * features[:, 0] - 0.2 * features[:, 3] + 0.1
        by_array.learn_array(features, target)
        frame = pd.DataFrame(features, columns=list(FEATURES))
        by_frame.learn_many(frame, pd.Series(target / UNIT))
    assert np.allclose(by_array.state, by_frame.state, rtol=1e-12)
    assert np.allclose(
        by_array.predict_array(features), UNIT * by_frame.predict_many(frame), rtol=1e-12
    )
    assert by_array.steps == 20


def test_one_mini_batch_moves_the_weights_no_further_than_the_largest_gradient() -> None:
    model = ArrayRegression()
    model.learn_array(np.full((10, len(FEATURES)), 6.0), np.full(10, 1e9))
    moved = UNIT * np.linalg.norm(model.state)
    assert np.isclose(moved, LEARNING_RATE * LARGEST_GRADIENT)


def test_means_are_learnt_where_medians_lie_far_below() -> None:
    model = ArrayRegression()
    rare = np.where(np.random.default_rng(1).random(20_000) < 0.05, 5.0, 0.0)  # mean 0.25, median 0
    nothing = np.zeros((100, len(FEATURES)))
    for target in rare.reshape(200, 100).repeat(3, axis=0):
        model.learn_array(nothing, target)
    assert abs(model.predict_array(nothing[:1])[0] - 0.25) < 0.05


def covariates(neighbours: NDArray[np.int64]) -> Covariates:
    n_cells = len(neighbours)
    return Covariates(
        bin=BIN,
        calendar=Calendar(BinGrid(HOUR)),
        neighbours=neighbours,
        level=np.full((n_cells, 1), 10.0),
        scale=np.full((n_cells, 1), 2.0),
        usual_now=np.full((n_cells, 1), 10.0, np.float32),
        usual_ahead=np.full((3, n_cells, 1), 10.0, np.float32),
    )


def table(departures: NDArray[np.float64], neighbours: NDArray[np.int64]) -> FeatureTable:
    window = Window(len(departures), 1)
    for number, values in enumerate(departures):
        window.append(BIN - len(departures) + 1 + number, values)
    return FeatureTable(window, covariates(neighbours), SEASON)


USUAL = np.full((3, 1), 14.0, np.float32)
ALONE = np.full((3, 2), -1)


def test_features_of_a_pair_read_no_departure_after_their_origin() -> None:
    departures = RANDOM.normal(size=(40, 3, 1))
    for lead in range(1, 13):
        changed = departures.copy()
        changed[40 - lead :] += 100.0
        one = table(departures, ALONE).matrix(lead, lead, USUAL)
        other = table(changed, ALONE).matrix(lead, lead, USUAL)
        assert one.tobytes() == other.tobytes()


def test_features_of_a_pair_read_the_departure_at_their_origin() -> None:
    departures = RANDOM.normal(size=(40, 3, 1))
    changed = departures.copy()
    changed[-2] += 1.0
    one = table(departures, ALONE).matrix(1, 1, USUAL)
    other = table(changed, ALONE).matrix(1, 1, USUAL)
    assert np.allclose(other[0] - one[0], 0.5)  # in scales of 2


def test_features_when_learning_are_those_when_the_forecast_was_made() -> None:
    departures = RANDOM.normal(size=(41, 3, 1))
    then, now = table(departures[:40], ALONE), table(departures[1:], ALONE)
    assert then.matrix(0, 1, USUAL)[:8].tobytes() == now.matrix(1, 1, USUAL)[:8].tobytes()


def test_the_season_feature_is_the_departure_one_season_before_the_target() -> None:
    departures = np.arange(40.0)[:, None, None] * np.full((1, 3, 1), 0.1)
    features = table(departures, ALONE).matrix(0, 2, USUAL)
    season_before = 39 + 2 - SEASON
    assert np.allclose(features[FEATURES.index("season")], 0.1 * season_before / 2.0)


def test_neighbours_are_averaged_over_those_there_are() -> None:
    departures = np.zeros((40, 3, 1))
    departures[-1, :, 0] = [2.0, 4.0, 8.0]
    near = np.array([[1, 2], [0, -1], [-1, -1]])
    features = table(departures, near).matrix(0, 1, USUAL)
    assert features[FEATURES.index("neighbours"), 0].tolist() == [3.0, 1.0, 0.0]


def test_the_usual_of_the_target_is_in_scales_from_the_level() -> None:
    features = table(np.zeros((40, 3, 1)), ALONE).matrix(0, 1, USUAL)
    assert (features[FEATURES.index("usual")] == 2.0).all()
