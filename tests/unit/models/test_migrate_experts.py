"""A running shop asks a deep model from now on, or no more."""

from __future__ import annotations

import numpy as np
from deep_answers import answer

from tidecast.models.coherent import CoherentForecaster
from tidecast.models.forecast import Forecast
from tidecast.models.forecaster import Forecaster
from tidecast.models.migrate import migrated_coherent
from tidecast.models.profile import ForecastProfile
from tidecast.state.cells import Cell
from tidecast.state.changes import Change
from tidecast.state.settings import Settings, parse_settings
from tidecast.state.slabs import Slab

OTHERS = ("seasonal_naive", "time_of_week", "tsb")
FIRST_BIN, N_BINS, CUT = 480_000, 90, 60
CELLS = [Cell(f"region {n}", "x") for n in range(3)]


def config(*experts: str) -> Settings:
    return parse_settings(
        {
            "sources": [{"name": "clicks", "topic": "c", "stream": "click"}],
            "series": [
                {"name": name, "stream": "click", "aggregate": "sum", "of": "value"}
                for name in "ab"
            ],
            "forecast": {"horizon": 3, "season_lengths": [6, 24], "experts": experts},
        }
    )


PLAIN, ASKED = config(*OTHERS), config("seasonal_naive", "deep", "time_of_week", "tsb")
DAY = 1.0 + np.sin(np.arange(N_BINS) * 2 * np.pi / 24)
LEVEL = np.array([[1.0, 2.0], [4.0, 8.0], [9.0, 18.0]])
VALUES = np.random.default_rng(5).poisson(DAY[:, None, None] * LEVEL).astype(np.float64)


def forecaster(settings: Settings) -> CoherentForecaster:
    return CoherentForecaster(Forecaster(ForecastProfile.of(settings)))


def run(model: CoherentForecaster, bins: range, is_heard: bool = False) -> list[Forecast]:
    found = []
    for bin_ in bins:
        if is_heard:
            model.cells.hear(answer(FIRST_BIN + bin_, len(CELLS)))
        found.append(model.step(Slab(FIRST_BIN + bin_, VALUES[bin_]), CELLS, {})[1])
    return found


def learnt(settings: Settings) -> CoherentForecaster:
    model = forecaster(settings)
    run(model, range(CUT))
    return model


def migrated(old: Settings, new: Settings, model: CoherentForecaster) -> CoherentForecaster:
    moved = forecaster(new)
    moved.restore(migrated_coherent(Change.between(old, new), model.snapshot()))
    return moved


def test_forecasts_go_on_as_before_while_the_expert_that_joined_sleeps() -> None:
    before, after = learnt(PLAIN), migrated(PLAIN, ASKED, learnt(PLAIN))
    rest = range(CUT, N_BINS)
    for mine, theirs in zip(run(before, rest), run(after, rest), strict=True):
        np.testing.assert_allclose(theirs.mean, mine.mean, rtol=1e-5)
        np.testing.assert_allclose(theirs.quantiles, mine.quantiles, rtol=1e-4, atol=1e-5)
        assert "deep" not in theirs.weights
        for name, weight in mine.weights.items():
            np.testing.assert_allclose(theirs.weights[name], weight, atol=1e-5)


def test_the_expert_that_joined_is_weighed_by_its_record_once_it_speaks() -> None:
    model = migrated(PLAIN, ASKED, learnt(PLAIN))
    weights = [each.weights["deep"][1] for each in run(model, range(CUT, N_BINS), is_heard=True)]
    assert weights[0].min() > 0.0
    assert weights[0].max() < 0.6  # as good as the blend, and no better
    assert weights[-1].max() < 0.5 * weights[0].min()  # it says seven of all cells


def test_what_joins_has_the_shape_of_what_was_there_from_the_start() -> None:
    moved, whole = migrated(PLAIN, ASKED, learnt(PLAIN)), learnt(ASKED)
    shapes = [{n: a.shape for n, a in of.snapshot().items()} for of in (moved, whole)]
    assert shapes[0] == shapes[1]


def test_an_expert_that_joins_and_leaves_leaves_every_byte_as_it_was() -> None:
    before = learnt(PLAIN).snapshot()
    back = migrated(ASKED, PLAIN, migrated(PLAIN, ASKED, learnt(PLAIN))).snapshot()
    assert {n: a.tobytes() for n, a in back.items()} == {n: a.tobytes() for n, a in before.items()}


def test_an_expert_that_stays_keeps_what_it_was_heard_to_say() -> None:
    model = learnt(ASKED)
    run(model, range(CUT, CUT + 1), is_heard=True)
    moved = migrated(ASKED, config(*OTHERS, "deep"), model)
    said = "cells/expert-deep/means"
    np.testing.assert_array_equal(moved.snapshot()[said], model.snapshot()[said])


def test_what_it_has_said_of_bins_to_come_moves_with_it_and_goes_when_it_leaves() -> None:
    model = learnt(ASKED)
    run(model, range(CUT, CUT + 3), is_heard=True)
    last = config(*OTHERS, "deep")
    moved, left = migrated(ASKED, last, model), migrated(ASKED, PLAIN, model)
    rest = range(CUT + 3, N_BINS)
    expected = run(model, rest, is_heard=True)
    for mine, theirs in zip(expected, run(moved, rest, is_heard=True), strict=True):
        np.testing.assert_allclose(theirs.mean, mine.mean, rtol=1e-4)
    assert all("deep" not in each.weights for each in run(left, rest))


def test_a_change_says_which_expert_joins_or_leaves() -> None:
    assert Change.between(PLAIN, ASKED).says() == ["adds expert deep"]
    assert Change.between(ASKED, PLAIN).says() == ["drops expert deep"]
