"""The benchmark of backbones on the published task of PEMS08."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("torch")

from tidecast.tools.bench.backbones import backbones


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    path = tmp_path / "flow.npz"
    values = np.random.default_rng(1).poisson(20.0, (400, 5)).astype(np.int16)
    np.savez(path, flow=values)
    return path


def test_every_backbone_that_is_asked_for_is_trained_and_judged(flow: Path) -> None:
    words = [str(flow), "--backbone", "stid", "--backbone", "gru", "--width", "8"]
    asked = [*words, "--minutes", "0.01", "--json"]
    done = CliRunner().invoke(backbones, asked, catch_exceptions=False)
    runs = json.loads(done.stdout)["runs"]
    assert [run["backbone"] for run in runs] == ["stid", "gru"]
    for run in runs:
        assert run["steps"] >= 1
        assert run["validated"] > 0
        assert run["rmse"] > run["mae"] > 0


def test_the_table_names_its_columns(flow: Path) -> None:
    words = [str(flow), "--backbone", "stid", "--width", "8", "--minutes", "0.001"]
    done = CliRunner().invoke(backbones, words, catch_exceptions=False)
    assert "validation MAE" in done.stdout
    assert "stid" in done.stdout
