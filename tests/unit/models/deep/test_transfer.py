"""Weights of one shop start another one, of which all or a part goes on learning."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from deep_worlds import N_CELLS, rhythm, small_about, small_config, small_network, small_windows  # noqa: E402

from tidecast.models.deep.adapters import PARTS, Adapted, begin_with  # noqa: E402
from tidecast.models.deep.backbones import BACKBONES  # noqa: E402
from tidecast.models.deep.history import Scales  # noqa: E402
from tidecast.models.deep.inputs import UNSEEN  # noqa: E402
from tidecast.models.deep.model import Model  # noqa: E402
from tidecast.models.deep.network import Network  # noqa: E402
from tidecast.models.deep.schedule import TrainingPlan  # noqa: E402
from tidecast.models.deep.training import Trainer  # noqa: E402
from tidecast.models.deep.transfer import moved  # noqa: E402
from tidecast.state.cells import Cell  # noqa: E402
from tidecast.state.errors import SettingsError  # noqa: E402

ORIGINS = [20, 30, 57]
CELLS = tuple(Cell(f"region {number}", "books") for number in range(N_CELLS))
ABOUT = small_about()


def model_of(**changes: object) -> Model:
    return Model(small_network(small_config(**changes)), CELLS, Scales.of(rhythm()), ABOUT)


def trained(part: str, name: str = "gru", steps: int = 12) -> tuple[Network, Network]:
    """Return a network, and what became of it."""
    config = small_config(backbone=name, dropout=0.0)
    torch.manual_seed(1)
    learner = begin_with(small_network(config), part)
    windows = small_windows(config)
    plan = TrainingPlan(steps=steps, batch_size=8, warm_up=2, learning_rate=5e-3)
    trainer = Trainer(learner, windows, windows.origins(end=300), np.array([], np.int64), plan)
    trainer.run(lambda _: None)
    learner.load_state_dict(dict(trainer.best_weights))
    return small_network(config), learner.learnt()


def changed(before: Network, after: Network) -> set[str]:
    pairs = zip(before.named_parameters(), after.parameters(), strict=True)
    return {name.split(".")[0] for (name, a), b in pairs if not torch.equal(a, b)}


def test_a_cell_keeps_its_embedding_and_a_new_one_begins_as_unseen() -> None:
    model = model_of()
    cells = (Cell("elsewhere", "books"), CELLS[4], Cell("nowhere", "books"))
    network = moved(model, small_config(n_cells=3, grid=(1, 1)), cells)
    rows = model.network.features.cell.weight
    found = network.features.cell.weight
    assert torch.equal(found, rows[[UNSEEN, UNSEEN, 5, UNSEEN]])


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_another_shop_is_forecast_at_once_as_unseen_cells_are(name: str) -> None:
    model = model_of(backbone=name)
    network = moved(model, small_config(backbone=name), [Cell(str(n), "") for n in range(N_CELLS)])
    with torch.no_grad():
        model.network.features.cell.weight[:] = model.network.features.cell.weight[UNSEEN]
    inputs = small_windows(small_config()).inputs(ORIGINS)
    found, expected = (n.eval()(inputs).quantiles for n in (network, model.network))
    torch.testing.assert_close(found, expected)


def test_data_of_another_kind_are_refused() -> None:
    with pytest.raises(SettingsError, match="slots_per_day = 24, not 48"):
        moved(model_of(), small_config(slots_per_day=48), CELLS)


@pytest.mark.parametrize(
    "part, learns",
    [
        ("head", {"head", "features"}),
        ("adapters", {"head", "features", "backbone"}),
        ("all", {"head", "features", "backbone"}),
    ],
)
def test_only_the_part_that_is_to_learn_changes(part: str, learns: set[str]) -> None:
    before, after = trained(part)
    assert changed(before, after) == learns
    hours_are_the_same = torch.equal(before.features.hour.weight, after.features.hour.weight)
    assert hours_are_the_same == (part != "all")


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_adapters_begin_as_the_network_and_merge_into_one(name: str) -> None:
    config = small_config(backbone=name, dropout=0.0)
    network, inputs = small_network(config), small_windows(config).inputs(ORIGINS)
    begin_with(network, "head")  # weights that learn are multiplied in another order, on some CPUs
    with torch.no_grad():
        expected = network(inputs).quantiles
        adapted = Adapted(network).eval()
        assert torch.equal(adapted(inputs).quantiles, expected)
        for up in adapted.up.values():
            up.normal_()
    merged = adapted.learnt().eval()
    assert not torch.allclose(merged(inputs).quantiles, expected)
    torch.testing.assert_close(merged(inputs).quantiles, adapted(inputs).quantiles)


def test_adapters_are_small_beside_the_network() -> None:
    adapted = Adapted(small_network(small_config(width=64, n_cells=0)))
    learnt = sum(w.numel() for w in [*adapted.up.values(), *adapted.down.values()])
    backbone = sum(w.numel() for w in adapted.network.backbone.parameters())
    assert 0 < learnt < 0.25 * backbone


@pytest.mark.parametrize("part", PARTS)
def test_what_goes_on_learning_forecasts_better(part: str) -> None:
    before, after = trained(part, steps=80)
    windows = small_windows(before.config)
    losses = []
    for network in (before, after):
        with torch.no_grad():
            found = network.eval()(windows.inputs([320, 350, 380]))
        losses.append(network.loss(found, windows.actual([320, 350, 380]), windows.cells).item())
    assert losses[1] < 0.9 * losses[0]
