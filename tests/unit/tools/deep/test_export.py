"""``tidecast deep export``."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from deep_commands import invoke

for package in ("torch", "onnx", "onnxruntime", "onnxscript"):
    pytest.importorskip(package)

from tidecast.models.deep.export import write_onnx  # noqa: E402
from tidecast.models.deep.folder import load_model  # noqa: E402
from tidecast.models.deep.inputs import Inputs  # noqa: E402
from tidecast.state.errors import CheckpointError  # noqa: E402

SMALL = ("--context", 6, "--horizon", 3, "--width", 8, "--depth", 1, "--batch-size", 8)


@pytest.fixture
def array(tmp_path: Path) -> Path:
    path = tmp_path / "flow.npz"
    flow = np.random.default_rng(1).poisson(20.0, (120, 3))
    np.savez(path, flow=flow, start=np.array("2024-01-01"))
    return path


def train(file: Path, out: Path, *more: object) -> None:
    invoke("train", file, "--freq", "1h", "--out", out, "--steps", 12, *SMALL, *more)


def test_an_exported_model_is_judged_beside_the_one_it_was_made_of(
    array: Path, tmp_path: Path
) -> None:
    train(array, tmp_path / "model")
    out = tmp_path / "model.onnx"
    said = invoke("export", tmp_path / "model", array, "--freq", "1h", "--out", out)
    assert re.search(r"mae +[\d.]+ +[\d.]+ +[+-]0\.000%", said)
    assert said.splitlines()[-1].startswith(f"wrote {out}: ")
    with pytest.raises(CheckpointError, match="is there already"):
        invoke("export", tmp_path / "model", array, "--freq", "1h", "--out", out)


def test_an_export_that_says_something_else_is_not_kept(
    array: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(array, tmp_path / "model")
    train(array, tmp_path / "other", "--seed", 2)
    other, _ = load_model(tmp_path / "other")

    def write_another(path: Path, network: object, sample: Inputs, *, int8: bool) -> None:
        write_onnx(path, other.network, sample, int8=int8)

    monkeypatch.setattr("tidecast.tools.deep.export.write_onnx", write_another)
    out = tmp_path / "model.onnx"
    with pytest.raises(CheckpointError, match="says something else"):
        invoke("export", tmp_path / "model", array, "--freq", "1h", "--out", out)
    assert not out.exists()
