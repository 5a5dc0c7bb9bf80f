"""A model's folder is whole or not there, and gives back the same forecasts."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import safetensors.torch  # noqa: E402
from deep_worlds import (  # noqa: E402
    N_CELLS,
    history_of,
    rhythm,
    small_about,
    small_config,
    small_network,
    small_windows,
)

from tidecast.models.deep import folder as folder_module  # noqa: E402
from tidecast.models.deep.folder import list_models, load_model, save_model  # noqa: E402
from tidecast.models.deep.history import Scales  # noqa: E402
from tidecast.models.deep.model import Model  # noqa: E402
from tidecast.state.cells import Cell  # noqa: E402
from tidecast.state.errors import CheckpointError  # noqa: E402

CELLS = tuple(Cell(f"region {number}", "books") for number in range(N_CELLS))
ABOUT = small_about()
METRICS = {"mae": 1.5}


@pytest.fixture
def model() -> Model:
    config = small_config()
    return Model(small_network(config), CELLS, Scales.of(rhythm()), ABOUT)


@pytest.fixture
def saved(model: Model, tmp_path: Path) -> Path:
    save_model(tmp_path / "models" / "first", model, METRICS)
    return tmp_path / "models" / "first"


def test_a_model_that_was_saved_gives_the_same_forecasts(model: Model, saved: Path) -> None:
    loaded, metrics = load_model(saved)
    windows = small_windows(model.network.config)
    before, after = (m.forecast(windows, 60) for m in (model, loaded))
    assert np.array_equal(before.mean, after.mean)
    assert np.array_equal(before.quantiles, after.quantiles)
    assert (loaded.cells, loaded.about, metrics) == (CELLS, ABOUT, METRICS)
    assert np.array_equal(loaded.scales.level, model.scales.level)


def test_forecasts_of_counts_are_not_negative_and_rise(model: Model) -> None:
    values = np.zeros_like(rhythm())
    answer = model.forecast(small_windows(model.network.config, values), 60)
    assert (answer.quantiles >= 0).all()
    assert (np.diff(answer.quantiles, axis=-1) >= 0).all()


def test_new_cells_share_the_embedding_of_the_unseen(model: Model) -> None:
    cells = (CELLS[2], Cell("nowhere", "books"))
    assert model.numbers(cells).tolist() == [3, 0]
    young = Scales.of(history_of(rhythm(seed=9)).values[:, :2])
    scales = model.scales_of(cells, young)
    assert scales.level[0].tolist() == model.scales.level[2].tolist()
    assert scales.level[1].tolist() == young.level[1].tolist()


def test_a_folder_that_is_there_is_not_overwritten(model: Model, saved: Path) -> None:
    with pytest.raises(CheckpointError, match="is there already"):
        save_model(saved, model, METRICS)


def fill_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tidecast.models.deep.writing.os.fsync", full)


def test_a_model_that_could_not_be_written_leaves_nothing(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_disk(monkeypatch)
    with pytest.raises(CheckpointError, match="cannot be written: No space left on device"):
        save_model(tmp_path / "models" / "first", model, METRICS)
    assert list((tmp_path / "models").iterdir()) == []


def test_a_place_that_can_hold_no_folder_is_named(model: Model, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(CheckpointError, match="notes cannot be written: "):
        save_model(tmp_path / "notes" / "first", model, METRICS)
    assert (tmp_path / "notes").read_text() == "mine"


def test_half_written_models_are_not_listed(saved: Path) -> None:
    root = saved.parent
    (root / ".second-abc").mkdir()
    (root / ".second-abc" / "complete.json").write_text("{}")
    (root / "third").mkdir()
    (root / "third" / "config.json").write_text("{}")
    assert list_models(root) == (saved,)
    with pytest.raises(CheckpointError, match=r"holds no whole model$"):
        load_model(root / "third")
    with pytest.raises(CheckpointError, match=rf"name one of those in it, {saved.name}$"):
        load_model(root)


@pytest.mark.parametrize("name", ["weights.safetensors", "config.json", "cells.json"])
def test_a_damaged_file_is_refused_by_name(saved: Path, name: str) -> None:
    data = bytearray((saved / name).read_bytes())
    data[len(data) // 2] ^= 1
    (saved / name).write_bytes(data)
    with pytest.raises(CheckpointError, match=f"{name} is damaged"):
        load_model(saved)


def rewrite(folder: Path, name: str, data: bytes) -> None:
    """Replace a file and prove it whole, as a stranger could."""
    (folder / name).write_bytes(data)
    checksums = json.loads((folder / "complete.json").read_bytes())
    checksums[name] = folder_module._checksum(data)
    (folder / "complete.json").write_text(json.dumps(checksums))


def test_weights_of_another_shape_are_refused(saved: Path) -> None:
    tensors = safetensors.torch.load((saved / "weights.safetensors").read_bytes())
    tensors["weight/head.out.bias"] = torch.zeros(3)
    rewrite(saved, "weights.safetensors", safetensors.torch.save(tensors))
    with pytest.raises(CheckpointError, match=r"weight/head.out.bias do not fit"):
        load_model(saved)


def test_a_network_larger_than_its_weights_takes_no_memory(saved: Path) -> None:
    config = json.loads((saved / "config.json").read_bytes())
    config["network"] |= {"n_cells": 10_000_000, "embedding_width": 1024}
    rewrite(saved, "config.json", json.dumps(config).encode())
    with pytest.raises(CheckpointError, match="do not fit a network of 10,000,000 cells"):
        load_model(saved)


def test_cells_of_another_number_are_refused(saved: Path) -> None:
    rewrite(saved, "cells.json", json.dumps([list(cell) for cell in CELLS[:-1]]).encode())
    with pytest.raises(CheckpointError, match="scales/level, scales/scale do not fit"):
        load_model(saved)


def test_a_pickle_in_place_of_weights_is_refused(saved: Path, tmp_path: Path) -> None:
    torch.save({"weight/head.out.bias": torch.zeros(3)}, tmp_path / "pickled")
    rewrite(saved, "weights.safetensors", (tmp_path / "pickled").read_bytes())
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_model(saved)


@pytest.mark.parametrize("change", [{"width": 10**9}, {"backbone": "evil"}, {"surprise": 1}])
def test_a_configuration_that_makes_no_sense_is_refused(
    saved: Path, change: dict[str, object]
) -> None:
    config = json.loads((saved / "config.json").read_bytes())
    config["network"] |= change
    rewrite(saved, "config.json", json.dumps(config).encode())
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_model(saved)
