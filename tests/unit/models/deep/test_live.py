"""A trained model in a live shop: bins in, in any state, and sound answers out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from deep_worlds import DAY, N_CELLS, rhythm, small_about, small_config, small_network  # noqa: E402

from tidecast.models.deep.backbones import BACKBONES  # noqa: E402
from tidecast.models.deep.context import ClosedBin, Context  # noqa: E402
from tidecast.models.deep.history import Scales  # noqa: E402
from tidecast.models.deep.live import LiveModel  # noqa: E402
from tidecast.models.deep.model import Model  # noqa: E402
from tidecast.models.deep.worker import DeepWorker  # noqa: E402
from tidecast.state.bins import HOUR, BinGrid  # noqa: E402
from tidecast.state.cells import Cell  # noqa: E402
from tidecast.state.deep_forecast import DeepForecast  # noqa: E402
from tidecast.state.errors import SettingsError  # noqa: E402
from tidecast.state.settings import RegionsSettings  # noqa: E402

GRID = BinGrid(HOUR)
SERIES = ("clicks", "orders", "returns")
FIRST = 480_000
CELLS = [Cell(f"region {n}", "x") for n in range(N_CELLS + 2)]
POSITIONS = {cell.region: (50.0 + n, 5.0 + n % 2) for n, cell in enumerate(CELLS)}
VALUES = rhythm()  # (bin, cell, series), of orders and clicks


def trained(series: tuple[str, ...] = ("orders", "clicks"), **changes: Any) -> Model:
    """Return a model that knows the first six cells; it has learnt nothing."""
    config = small_config(**{"n_future": 0, "n_static": 0, **changes})
    about = small_about(series=series)
    return Model(small_network(config), tuple(CELLS[:N_CELLS]), Scales.of(VALUES), about)


def live(model: Model | None = None, horizon: int = 2) -> LiveModel:
    return LiveModel("first", model or trained(), SERIES, GRID, horizon)


def of_all(values: np.ndarray) -> np.ndarray:
    """Return values of the live series, (cell, series), of those of orders and clicks."""
    return np.stack([values[:, 1], values[:, 0], np.zeros(len(values))], axis=1)


def told(context: Context, n_bins: int, first: int = FIRST) -> Context:
    for number in range(n_bins):
        context.take(ClosedBin(first + number, CELLS[:N_CELLS], of_all(VALUES[number])))
    return context


def answered(model: LiveModel, context: Context) -> DeepForecast:
    found = model.answer(context, POSITIONS)
    assert found is not None
    return found


def same(one: DeepForecast, other: DeepForecast) -> bool:
    return bool(one.mean.tobytes() == other.mean.tobytes())


@pytest.mark.parametrize("backbone", sorted(BACKBONES))
def test_every_backbone_answers_for_all_cells_and_leads(backbone: str) -> None:
    model = live(trained(backbone=backbone))
    found = answered(model, told(Context(10, 3), 30))
    assert found.origin_bin == FIRST + 29
    assert found.mean.shape == found.scale.shape == (3, N_CELLS, 2)
    assert np.isfinite(found.mean[:2]).all()
    assert (found.scale[:2] > 0).all()
    assert np.isnan(found.mean[2]).all()


def test_an_answer_is_what_the_model_forecasts_of_the_window() -> None:
    from tidecast.models.deep.history import History, calendar_of
    from tidecast.models.deep.model import make_cells
    from tidecast.models.deep.space import space_of
    from tidecast.models.deep.windows import Windows

    model = trained()
    history = History.plain(VALUES[20:30], calendar_of(GRID, FIRST + 20, 13))
    static = np.zeros((N_CELLS, 0), np.float32)
    space = space_of(CELLS[:N_CELLS], POSITIONS, model.network.config.grid)
    cells = make_cells(model.numbers(CELLS[:N_CELLS]), model.scales, static, space)
    expected = model.forecast(Windows(history, cells, model.network.config), 10)
    found = answered(live(model), told(Context(10, 3), 30))
    assert np.allclose(found.mean[[1, 0]], expected.mean[..., :2])


def test_a_worker_that_starts_at_the_tail_says_what_one_says_that_read_all() -> None:
    whole, tail = told(Context(10, 3), 60), Context(10, 3)
    for number in range(45, 60):
        tail.take(ClosedBin(FIRST + number, CELLS[:N_CELLS], of_all(VALUES[number])))
    assert same(answered(live(), whole), answered(live(), tail))


def test_bins_that_come_twice_change_nothing_and_corrections_count() -> None:
    once, again = told(Context(10, 3), 40), told(Context(10, 3), 40)
    for number in range(33, 40):
        again.take(ClosedBin(FIRST + number, CELLS[:N_CELLS], of_all(VALUES[number])))
    assert same(answered(live(), once), answered(live(), again))
    again.take(ClosedBin(FIRST + 37, CELLS[:N_CELLS], 3.0 * of_all(VALUES[37])))
    assert not same(answered(live(), once), answered(live(), again))


def test_skipped_bins_are_missing_and_the_calendar_keeps_step() -> None:
    context = told(Context(10, 3), 20)
    context.take(ClosedBin(FIRST + 20 + 4, CELLS[:N_CELLS], of_all(VALUES[24])))
    values = context.values(10)
    assert np.isnan(values[-5:-1]).all()
    found = answered(live(), context)
    assert found.origin_bin == FIRST + 24
    context.take(ClosedBin(FIRST + 10_000, CELLS[:N_CELLS], of_all(VALUES[30])))
    assert answered(live(), context).origin_bin == FIRST + 10_000


def test_cells_that_join_are_answered_and_have_no_past() -> None:
    context = told(Context(10, 3), 20)
    context.take(ClosedBin(FIRST + 20, CELLS, of_all(np.full((N_CELLS + 2, 2), 9.0))))
    found = answered(live(), context)
    assert found.mean.shape == (3, N_CELLS + 2, 2)
    assert np.isfinite(found.mean[:2]).all()
    assert np.isnan(context.values(10)[:-1, N_CELLS:]).all()


def test_nothing_known_is_answered_and_no_bin_is_not() -> None:
    context = Context(10, 3)
    assert live().answer(context, POSITIONS) is None
    context.take(ClosedBin(FIRST, CELLS[:N_CELLS], np.full((N_CELLS, 3), np.nan)))
    assert np.isfinite(answered(live(), context).mean[:2]).all()


def test_a_network_that_has_diverged_says_nothing() -> None:
    model = trained()
    with torch.no_grad():
        for weight in model.network.parameters():
            weight.fill_(float("nan"))
    assert live(model).answer(told(Context(10, 3), 20), POSITIONS) is None


@pytest.mark.parametrize(
    ("changes", "about", "what"),
    [
        ({}, {"series": ("sales",)}, "series"),
        ({}, {"bin_width": 60_000_000}, "bins"),
        ({"slots_per_day": 2 * DAY}, {}, "slots"),
        ({"horizon": 1}, {}, "horizon"),
        ({"n_future": 1}, {}, "covariates"),
        ({"quantile_levels": (0.5,)}, {}, "quantile"),
    ],
)
def test_a_model_that_does_not_fit_is_refused_with_what_it_lacks(
    changes: dict[str, Any], about: dict[str, Any], what: str
) -> None:
    model = trained(**changes)
    other = replace(model, about=model.about.model_copy(update=about))
    with pytest.raises(SettingsError, match=f"model first is refused.*{what}"):
        live(other)


def test_a_worker_answers_the_newest_bin_of_every_shard_once() -> None:
    worker = DeepWorker(live(), 3, RegionsSettings())
    for number in range(20):
        worker.take(0, ClosedBin(FIRST + number, CELLS[:N_CELLS], of_all(VALUES[number])))
    worker.take(1, ClosedBin(FIRST + 7, CELLS[:2], of_all(VALUES[7, :2])))
    origins = {shard: said.origin_bin for shard, said in worker.answers() if said is not None}
    assert origins == {0: FIRST + 19, 1: FIRST + 7}
    assert list(worker.answers()) == []
    worker.take(
        0, ClosedBin(FIRST + 18, CELLS[:N_CELLS], of_all(VALUES[19]))
    )  # a correction is no news
    assert list(worker.answers()) == []
    worker.take(0, ClosedBin(FIRST + 20, CELLS[:N_CELLS], of_all(VALUES[20])))
    assert [shard for shard, _ in worker.answers()] == [0]


def test_shards_of_as_many_cells_lie_each_where_it_lies() -> None:
    model = trained(backbone="graph")
    others = [CELLS[number] for number in (3, 0, 5, 1, 4, 2)]
    context = Context(10, 3)
    for number in range(20):
        context.take(ClosedBin(FIRST + number, others, of_all(VALUES[number])))
    both = live(model)
    answered(both, told(Context(10, 3), 20))
    assert same(answered(both, context), answered(live(model), context))


def test_another_model_answers_from_the_next_bin_on() -> None:
    worker = DeepWorker(live(), 3, RegionsSettings())
    worker.take(0, ClosedBin(FIRST, CELLS[:N_CELLS], of_all(VALUES[0])))
    assert [said.model for _, said in worker.answers() if said is not None] == ["first"]
    worker.model = LiveModel("second", trained(context_length=5), SERIES, GRID, 2)
    assert list(worker.answers()) == []
    worker.take(0, ClosedBin(FIRST + 1, CELLS[:N_CELLS], of_all(VALUES[1])))
    assert [said.model for _, said in worker.answers() if said is not None] == ["second"]
