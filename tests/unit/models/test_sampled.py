"""River's row-by-row regressors: kept as rows, on a sample of cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from river.tree import HoeffdingTreeRegressor

from tidecast.models.forecaster import Forecaster
from tidecast.models.online.river_rows import ReplayedRegressor
from tidecast.models.online.river_sampled import ForestExpert, NearestExpert, TreeExpert
from tidecast.models.online.sampled import SampledExpert
from tidecast.models.profile import ForecastProfile
from tidecast.state.bins import HOUR, BinGrid
from tidecast.state.cells import Cell
from tidecast.state.slabs import Slab

N_ROWS = 40
Values = NDArray[np.float64]


def make_tree() -> Any:
    return HoeffdingTreeRegressor(grace_period=10, leaf_prediction="mean")


def rows(n: int, slope: float = 1.0, seed: int = 0) -> tuple[Values, Values]:
    features = np.random.default_rng(seed).normal(size=(n, 2))
    return features, slope * np.sign(features[:, 0])


def learnt(model: ReplayedRegressor, plan: Sequence[int | None]) -> ReplayedRegressor:
    """Let a model learn so many rows, again and again; None = the younger takes over."""
    for seed, n in enumerate(plan):
        if n is None:
            model.take_over()
        else:
            model.learn(*rows(n, seed=seed))
    return model


PLANS: list[list[int | None]] = [
    [],
    [30],
    [30, None],
    [30, None, 20],
    [10, None, 30, None, 35],
    [30, None, None, 5],
]


@pytest.mark.parametrize("make", [make_tree, ForestExpert.make, NearestExpert.make])
@pytest.mark.parametrize("plan", PLANS)
def test_a_restored_model_is_the_one_that_learnt_the_rows(
    make: Any, plan: Sequence[int | None]
) -> None:
    model = learnt(ReplayedRegressor(make, 2, 80), plan)
    fresh = ReplayedRegressor(make, 2, 80)
    fresh.restore(model.snapshot())
    features, _ = rows(20, seed=9)
    for more in ([], [10], [None, 20]):
        assert learnt(fresh, more).predict(features).tobytes() == (
            learnt(model, more).predict(features).tobytes()
        )


def test_who_takes_over_knows_the_rows_since_the_last_time_only() -> None:
    model = ReplayedRegressor(make_tree, 2, 80)
    model.learn(*rows(N_ROWS, slope=-5.0))
    model.take_over()
    model.learn(*rows(N_ROWS, slope=5.0))
    model.take_over()
    features, _ = rows(20, seed=2)
    young = ReplayedRegressor(make_tree, 2, 80)
    young.learn(*rows(N_ROWS, slope=5.0))
    assert model.predict(features).tolist() == young.predict(features).tolist()


def test_two_generations_after_a_burst_a_model_knows_nothing_of_it() -> None:
    features, target = rows(N_ROWS)
    calm, burst = (ReplayedRegressor(make_tree, 2, 160) for _ in range(2))
    burst.learn(features, target + 1e6)
    for _ in range(2):
        for model in (calm, burst):
            model.take_over()
            model.learn(features, target)
    assert burst.predict(features).tolist() == calm.predict(features).tolist()


@pytest.mark.parametrize("kind", [NearestExpert, ForestExpert, TreeExpert])
def test_cells_beyond_the_budget_are_left_to_the_others(
    kind: type[SampledExpert], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kind, "rows_asked", 9)  # of 2 leads: 4 cells
    n_cells = 7
    profile = ForecastProfile(
        ("demand",), BinGrid(HOUR), 2, (0.1, 0.5, 0.9), (4,), ("seasonal_naive", kind.name)
    )
    model, cells = Forecaster(profile), [Cell(str(n), "all") for n in range(n_cells)]
    chance = np.random.default_rng(0)
    for bin_ in range(100, 112):
        slab = Slab(bin_, chance.poisson(3.0, (n_cells, 1)).astype(float))
        scores, forecast = model.step(slab, cells, {})
    assert np.isfinite(forecast.mean).all()
    assert np.isfinite(forecast.quantiles).all()
    assert scores is not None
    n = dict(zip(scores.experts, scores.n[:, 0, 0].tolist(), strict=True))
    assert n == {"tidecast": n_cells, "seasonal_naive": n_cells, kind.name: 4}
