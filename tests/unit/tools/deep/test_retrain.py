"""``tidecast deep retrain``, without a broker: the champion goes on with what was told last."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import click
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from deep_folders import CELLS, FIRST, SERIES, VALUES, saved  # noqa: E402
from retraining import retrain_in  # noqa: E402

from tidecast.models.deep.folder import load_model  # noqa: E402
from tidecast.models.deep.history import Scales  # noqa: E402
from tidecast.models.deep.registry import Registry  # noqa: E402
from tidecast.state.cells import Cell  # noqa: E402
from tidecast.state.errors import CheckpointError, SettingsError  # noqa: E402
from tidecast.state.settings import Settings  # noqa: E402
from tidecast.streams.deep_history import LastBins  # noqa: E402
from tidecast.tools.deep import finetune, retrain  # noqa: E402


class Shop:
    """A folder of models, and what the windows topic has of the shop."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.models = root / "models"
        self.registry = Registry(self.models)
        self.series = ["demand", "value"]
        self._root = root
        demand_first = VALUES[:60, :, ::-1]
        self.told = LastBins(FIRST, (*CELLS[:5], Cell("new", "x")), demand_first)
        monkeypatch.setattr(retrain, "read_last_bins", self._read)
        monkeypatch.setattr(retrain.os, "nice", lambda _: 0)
        monkeypatch.setattr(finetune, "MOST_STEPS", 4)

    async def _read(self, settings: Settings) -> LastBins:
        assert settings.deep.models == self.models
        return self.told

    def retrain(self) -> str:
        return retrain_in(self._root, *self.series)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    return Shop(tmp_path, monkeypatch)


def test_what_is_trained_is_a_challenger_of_the_champion(shop: Shop) -> None:
    saved(shop.models, "first")
    saved(shop.models, "second")
    shop.registry.promote("first")
    shop.registry.reject("second")
    assert "6 cells" in shop.retrain()
    (name,) = shop.registry.challengers()
    assert name.startswith("20")
    assert name.endswith("Z")
    assert shop.registry.standing().champion == "first"
    model, _ = load_model(shop.models / name)
    assert model.about.series == SERIES
    assert model.cells == shop.told.cells
    assert model.about.last == "1971-11-26T11:40:00Z"  # 60 bins after the first
    before, _ = load_model(shop.models / "first")
    assert not torch.equal(
        next(model.network.backbone.parameters()), next(before.network.backbone.parameters())
    )


def test_the_values_are_those_of_the_champions_series_in_its_order(shop: Shop) -> None:
    saved(shop.models, "first")
    shop.retrain()
    model, _ = load_model(shop.models / shop.registry.challengers()[0])
    expected = Scales.of(VALUES[:60]).level[:5]  # the fixture's sixth cell is new
    np.testing.assert_allclose(model.scales.level[:5], expected)


def test_who_answers_without_a_champion_becomes_it_and_must_be_beaten(shop: Shop) -> None:
    for name in ("a", "b", "c"):
        saved(shop.models, name)
    shop.registry.reject("c")
    shop.retrain()
    assert shop.registry.standing().champion == "b"


def test_who_cannot_answer_does_not_become_the_champion(shop: Shop) -> None:
    saved(shop.models, "b", horizon=1)
    (saved(shop.models, "c") / "weights.safetensors").write_bytes(b"torn")
    with pytest.raises(CheckpointError, match=r"weights.safetensors is damaged"):
        shop.retrain()
    assert shop.registry.standing().champion is None
    saved(shop.models, "a")
    shop.retrain()
    assert shop.registry.standing().champion == "a"


def test_without_a_model_or_enough_bins_it_says_so(shop: Shop) -> None:
    with pytest.raises(SettingsError, match="`tidecast deep train` makes the first"):
        shop.retrain()
    saved(shop.models, "first")
    shop.told = LastBins(FIRST, tuple(CELLS), VALUES[:12])
    with pytest.raises(SettingsError, match="0 windows to learn from"):
        shop.retrain()
    assert shop.registry.names() == ("first",)


def test_a_series_that_the_shop_no_longer_has_is_named(shop: Shop) -> None:
    saved(shop.models, "first")
    shop.registry.promote("first")
    shop.series = ["demand", "turnover"]
    with pytest.raises(SettingsError, match="value: no series here"):
        shop.retrain()


def test_a_training_that_is_stopped_leaves_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(shop.models, "first")

    class Stopped:
        def is_set(self) -> bool:
            return True

    monkeypatch.setattr("tidecast.tools.deep.run.stoppable", lambda: nullcontext(Stopped()))
    with pytest.raises(click.Abort):
        shop.retrain()
    assert shop.registry.names() == ("first",)
