"""The pooled linear model, its regression and its features."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from river.linear_model import LinearRegression
from river.optim import SGD

from tidecast.models.covariates import Calendar, Covariates
from tidecast.models.online.features import FEATURES, FeatureTable
from tidecast.models.online.regression import (
    LARGEST_GRADIENT,
    LEARNING_RATE,
    UNIT,
    LinearModels,
)
from tidecast.state.bins import HOUR, BinGrid
from tidecast.state.window import Window

BIN = 480_000
SEASON = 6
RANDOM = np.random.default_rng(0)
Values = NDArray[np.float64]


def models(n_series: int = 1, horizon: int = 1) -> LinearModels:
    return LinearModels(n_series, horizon, np.zeros(len(FEATURES) + 1))


def learn(model: LinearModels, features: Values, target: Values) -> None:
    """Learn rows, features (row, feature) and targets (row,), of the only series and lead."""
    model.learn(features.T[:, None, None], target[None], slice(None))


def test_every_model_learns_as_river_does_of_data_frames() -> None:
    names, steps = list(FEATURES), {"optimizer": SGD(LEARNING_RATE), "intercept_lr": LEARNING_RATE}
    rivers = {
        place: LinearRegression(**steps, clip_gradient=1.0).clone() for place in np.ndindex(2, 3)
    }
    found, leads = models(2, 3), slice(1, 3)
    for _ in range(20):
        features = RANDOM.normal(size=(len(FEATURES), 2, 2, 50))
        target = 0.4 * RANDOM.normal(size=(2, 50)) + 0.1
        target[1, :9] = np.nan
        target[0] += 0.3 * features[0, 0, 0]
        said = found.predict(features, leads)
        for (series, lead), river in rivers.items():
            if lead == 0:
                continue
            known = np.isfinite(target[series])
            frame = pd.DataFrame(features[:, lead - 1, series].T[known], columns=names)
            expected = UNIT * river.predict_many(frame)
            assert np.allclose(said[lead - 1, series, known], expected, rtol=1e-12)
            river.learn_many(frame, pd.Series(target[series, known] / UNIT))
        assert found.learn(features, target, leads) == 0
    for (series, lead), river in rivers.items():
        weights = [*(river.weights.get(name, 0.0) for name in names), river.intercept]
        assert np.allclose(found.weights[series, lead], weights, rtol=1e-12)


def test_one_mini_batch_moves_the_weights_no_further_than_the_largest_gradient() -> None:
    model = models()
    learn(model, np.full((10, len(FEATURES)), 6.0), np.full(10, 1e9))
    moved = UNIT * np.linalg.norm(model.weights)
    assert np.isclose(moved, LEARNING_RATE * LARGEST_GRADIENT)


def test_means_are_learnt_where_medians_lie_far_below() -> None:
    model = models()
    rare = np.where(np.random.default_rng(1).random(20_000) < 0.05, 5.0, 0.0)  # mean 0.25, median 0
    nothing = np.zeros((100, len(FEATURES)))
    for target in rare.reshape(200, 100).repeat(3, axis=0):
        learn(model, nothing, target)
    assert abs(model.predict(np.zeros((len(FEATURES), 1, 1, 1)), slice(None)).item() - 0.25) < 0.05


def test_a_model_that_has_diverged_starts_again_and_no_other() -> None:
    found = models(1, 2)
    found.weights[:] = 0.5
    found.weights[0, 1, 3] = 1e3
    features = np.zeros((len(FEATURES), 2, 1, 4))
    assert found.learn(features, np.zeros((1, 4)), slice(None)) == 1
    assert (found.weights[0, 0] > 0.0).all()
    assert not found.weights[0, 1].any()


def test_a_model_starts_and_starts_again_with_what_is_said_before_anything_is_learnt() -> None:
    prior = np.zeros(len(FEATURES) + 1)
    prior[2] = 0.5
    found, features = LinearModels(1, 1, prior), RANDOM.normal(size=(len(FEATURES), 1, 1, 4))
    assert np.allclose(found.predict(features, slice(None)), 0.5 * features[2])
    found.weights[0, 0, 3] = 1e3
    assert found.learn(features, np.zeros((1, 4)), slice(None)) == 1
    assert np.allclose(found.predict(features, slice(None)), 0.5 * features[2])


def test_where_nothing_is_known_nothing_is_learnt() -> None:
    found = models(2)
    features = np.ones((len(FEATURES), 1, 2, 4))
    found.learn(features, np.array([[1.0] * 4, [np.nan] * 4]), slice(None))
    assert found.weights[0].all()
    assert not found.weights[1].any()


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


def window_of(departures: Values) -> Window:
    window = Window(len(departures), 1)
    for number, values in enumerate(departures):
        window.append(BIN - len(departures) + 1 + number, values)
    return window


def features_of(
    departures: Values,
    neighbours: NDArray[np.int64],
    origin: int,
    lead: int,
    usual: NDArray[np.float32] | None = None,
) -> Values:
    """Return the features of one pair: (feature, series, cell)."""
    window = window_of(departures)
    pair = range(origin, origin + 1), range(lead, lead + 1)
    table = FeatureTable(window, covariates(neighbours), SEASON, *pair)
    return table.matrix(slice(None), (USUAL if usual is None else usual)[None])[:, 0]


USUAL = np.full((3, 1), 14.0, np.float32)
ALONE = np.full((3, 2), -1)


def test_features_of_a_pair_read_no_departure_after_their_origin() -> None:
    departures = RANDOM.normal(size=(40, 3, 1))
    for lead in range(1, 13):
        changed = departures.copy()
        changed[40 - lead :] += 100.0
        one = features_of(departures, ALONE, lead, lead)
        other = features_of(changed, ALONE, lead, lead)
        assert one.tobytes() == other.tobytes()


def test_features_of_a_pair_read_the_departure_at_their_origin() -> None:
    departures = RANDOM.normal(size=(40, 3, 1))
    changed = departures.copy()
    changed[-2] += 1.0
    one = features_of(departures, ALONE, 1, 1)
    other = features_of(changed, ALONE, 1, 1)
    assert np.allclose(other[0] - one[0], 0.5)  # in scales of 2


def test_features_when_learning_are_those_when_the_forecast_was_made() -> None:
    departures = RANDOM.normal(size=(41, 3, 1))
    then = features_of(departures[:40], ALONE, 0, 1)
    now = features_of(departures[1:], ALONE, 1, 1)
    assert then[:8].tobytes() == now[:8].tobytes()


def test_features_of_many_pairs_are_those_of_each() -> None:
    departures, near = RANDOM.normal(size=(40, 3, 1)), np.array([[1, 2], [0, -1], [-1, -1]])
    window = window_of(departures)
    leads, usual = range(1, 9), RANDOM.normal(10.0, 1.0, (8, 3, 1)).astype(np.float32)
    for origins in (range(1), range(1, 9)):
        table = FeatureTable(window, covariates(near), SEASON, origins, leads)
        found = table.matrix(slice(2, 7), usual[2:7])
        for place, lead in enumerate(range(3, 8)):
            origin = lead if len(origins) > 1 else 0
            expected = features_of(departures, near, origin, lead, usual[lead - 1])
            assert found[:, place].tobytes() == expected.tobytes()


def test_the_season_feature_is_the_departure_one_season_before_the_target() -> None:
    departures = np.arange(40.0)[:, None, None] * np.full((1, 3, 1), 0.1)
    features = features_of(departures, ALONE, 0, 2)
    season_before = 39 + 2 - SEASON
    assert np.allclose(features[FEATURES.index("season")], 0.1 * season_before / 2.0)


def test_neighbours_are_averaged_over_those_there_are() -> None:
    departures = np.zeros((40, 3, 1))
    departures[-1, :, 0] = [2.0, 4.0, 8.0]
    near = np.array([[1, 2], [0, -1], [-1, -1]])
    features = features_of(departures, near, 0, 1)
    assert features[FEATURES.index("neighbours"), 0].tolist() == [3.0, 1.0, 0.0]


def test_the_usual_of_the_target_is_in_scales_from_the_level() -> None:
    features = features_of(np.zeros((40, 3, 1)), ALONE, 0, 1)
    assert (features[FEATURES.index("usual")] == 2.0).all()


def test_what_lasts_of_the_ratio_at_the_origin_moves_the_usual_of_the_target() -> None:
    departures, lasting = window_of(np.zeros((40, 3, 1))), Window(4, 1)
    for number, ratio in enumerate((0.1, 0.2, 0.3)):
        lasting.append(BIN - 2 + number, np.full((2, 1), ratio))  # the third cell is new
    pairs = range(3), range(2, 5)
    table = FeatureTable(departures, covariates(ALONE), SEASON, *pairs, lasting)
    found = table.matrix(slice(1, 3), USUAL[None])[FEATURES.index("recently"), :, 0]
    assert np.allclose(found, [[14.0 * 0.2 / 2.0] * 2 + [0.0], [14.0 * 0.1 / 2.0] * 2 + [0.0]])
