"""A deep model in a backtest: the expert `deep` says what it heard, as it does live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from tidecast.models.arrays import Arrays
from tidecast.models.coherent import CoherentForecaster
from tidecast.models.evaluate.backtest import Backtest
from tidecast.models.evaluate.evaluator import Span
from tidecast.models.evaluate.metrics import scores_of
from tidecast.models.forecaster import Forecaster
from tidecast.models.profile import ForecastProfile
from tidecast.state.bins import HOUR, BinGrid
from tidecast.state.cells import Cell
from tidecast.state.deep_forecast import DeepForecast
from tidecast.state.slabs import Slab

FIRST, WOKEN, END, HORIZON = 480_000, 480_020, 480_060, 3
CELLS = [Cell(f"region {n}", "x") for n in range(4)]
PROFILE = ForecastProfile(
    series=("demand",),
    grid=BinGrid(HOUR),
    horizon=HORIZON,
    quantile_levels=(0.1, 0.5, 0.9),
    season_lengths=(6,),
    experts=("seasonal_naive", "time_of_week", "deep"),
)
LEVEL = 12.0 + 9.0 * np.sin(np.arange(END - FIRST) / 6.0)  # the last values tell more than a season
VALUES = np.random.default_rng(3).poisson(LEVEL[:, None, None], (END - FIRST, 4, 1)) * 1.0
SLABS = [Slab(FIRST + n, values) for n, values in enumerate(VALUES)]


class LastMean:
    """Answers from a bin on: the mean of that bin and the one before it, for every lead."""

    def __init__(self) -> None:
        self.before = np.zeros((4, 1))
        self.corrected: list[int] = []

    def answer(
        self, slab: Slab, cells: Sequence[Cell], positions: Mapping[str, tuple[float, float]]
    ) -> DeepForecast | None:
        mean, self.before = (self.before + slab.values) / 2, slab.values
        if slab.bin < WOKEN:
            return None
        said = np.repeat(mean.T[:, :, None], HORIZON, axis=2).astype(np.float32)
        return DeepForecast(slab.bin, "mean", said, np.full_like(said, 3.0))

    def correct(self, slab: Slab, cells: Sequence[Cell]) -> None:
        self.corrected.append(slab.bin)

    def snapshot(self) -> Arrays:
        return {"before": self.before}

    def restore(self, arrays: Arrays, cells: Sequence[Cell]) -> None:
        self.before = arrays["before"]


def started() -> Backtest:
    return Backtest(PROFILE, Span(FIRST + 10), left_out=PROFILE.experts, deep=LastMean())


def stepped(backtest: Backtest, slabs: Sequence[Slab] = SLABS) -> Backtest:
    for slab in slabs:
        backtest.step(slab, CELLS, {})
    return backtest


def test_forecasts_are_those_of_a_live_forecaster_that_hears_the_same() -> None:
    model, live = LastMean(), CoherentForecaster(Forecaster(PROFILE))
    for slab in SLABS:
        said = model.answer(slab, CELLS, {})
        if said is not None:
            live.hear(said)
        live.step(slab, CELLS, {})
    found, expected = stepped(started()).forecaster.snapshot(), live.snapshot()
    assert {k: a.tobytes() for k, a in found.items()} == {
        k: a.tobytes() for k, a in expected.items()
    }


def test_the_expert_is_scored_where_it_spoke_and_left_out_of_the_blend_without_it() -> None:
    backtest = stepped(started())
    backtest.end()
    assert backtest.left_out is not None
    found = {
        (score.expert, score.metric): score
        for score in (*scores_of(backtest.evaluator), *backtest.left_out.scores())
        if (score.level, score.lead) == ("cell", 1)
    }
    means = (VALUES[19:-1] + np.concatenate([VALUES[18:19], VALUES[19:-2]])) / 2
    error = (means - VALUES[20:])[1:]  # of the bins whose origin is the one it awoke at, and later
    assert found["deep", "rmse"].n == error.size == 4 * (END - WOKEN - 1)
    assert np.isclose(found["deep", "rmse"].value or 0.0, np.sqrt((error**2).mean()))
    alone = stepped(Backtest(replace(PROFILE, experts=PROFILE.experts[:2]), Span(FIRST + 10)))
    alone.end()
    (expected,) = (
        score.value
        for score in scores_of(alone.evaluator)
        if (score.expert, score.level, score.lead) == ("tidecast", "cell", 1)
        and score.metric == "rmse"
    )
    assert found["without deep", "rmse"].value == pytest.approx(expected, rel=1e-6)
    assert found["without deep", "rmse"].value != pytest.approx(
        found["tidecast", "rmse"].value, rel=1e-3
    )


def test_it_goes_on_from_a_snapshot_to_the_byte() -> None:
    whole, half, rest = stepped(started()), stepped(started(), SLABS[:35]), started()
    rest.restore({name: array.copy() for name, array in half.snapshot().items()}, CELLS)
    stepped(rest, SLABS[35:])
    found, expected = rest.snapshot(), whole.snapshot()
    assert {k: a.tobytes() for k, a in found.items()} == {
        k: a.tobytes() for k, a in expected.items()
    }


def test_corrections_are_told_to_the_model() -> None:
    model = LastMean()
    backtest = Backtest(replace(PROFILE, reach=3 * HOUR), Span(FIRST + 10), deep=model)
    stepped(backtest, [*SLABS[:30], Slab(FIRST + 28, VALUES[0], revision=1), *SLABS[30:]])
    assert model.corrected == [FIRST + 28]
