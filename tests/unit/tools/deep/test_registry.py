"""``tidecast deep list``, ``promote`` and ``rollback``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("torch")

from tidecast.state.errors import SettingsError
from tidecast.tools.main import cli

SMALL = ("--context", "6", "--horizon", "3", "--width", "8", "--depth", "1", "--batch-size", "8")


def deep(*words: object) -> list[str]:
    done = CliRunner().invoke(cli, ["deep", *map(str, words)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output.splitlines()


@pytest.fixture
def models(tmp_path: Path) -> Path:
    flow = np.random.default_rng(1).poisson(20.0, (120, 3))
    np.savez(tmp_path / "flow.npz", flow=flow, start=np.array("2024-01-01"))
    for name, seed in (("first", 1), ("second", 2)):
        out = tmp_path / "models" / name
        more = ("--freq", "1h", "--steps", 2, "--seed", seed, *SMALL)
        deep("train", tmp_path / "flow.npz", "--out", out, *more)
    return tmp_path / "models"


def roles(models: Path) -> dict[str, str]:
    rows = (line.split() for line in deep("list", models)[1:])
    return {row[0]: row[1] for row in rows}


def test_a_model_is_promoted_and_taken_back(models: Path) -> None:
    assert roles(models) == {"first": "challenger", "second": "challenger"}
    assert deep("promote", models, "first") == ["champion first"]
    assert deep("promote", models, "second") == ["champion second; before it first"]
    assert roles(models) == {"first": "former", "second": "champion"}
    assert deep("rollback", models) == ["champion first"]
    assert roles(models) == {"first": "champion", "second": "rejected"}


def test_what_a_model_is_stands_beside_its_name(models: Path) -> None:
    header, first, _ = deep("list", models)
    found = dict(zip(header.split(), first.split(), strict=True))
    assert (found["backbone"], found["cells"], found["steps"]) == ("stid", "3", "2")
    assert found["until"].startswith("2024-01-0")
    assert float(found["mae"]) > 0


def test_a_folder_without_models_says_how_to_make_one(tmp_path: Path) -> None:
    [said] = deep("list", tmp_path)
    assert said.startswith(f"no whole model in {tmp_path}")
    assert f"tidecast deep train TABLE --freq 1h --out {tmp_path}/first" in said


def test_a_model_is_not_taken_for_a_folder_of_models(models: Path) -> None:
    for words in (("list", models / "first"), ("promote", models / "first", "first")):
        with pytest.raises(SettingsError, match=f"is a model itself: name .*, {models}$"):
            deep(*words)


def test_a_damaged_model_is_listed_as_broken(models: Path) -> None:
    (models / "first" / "weights.safetensors").write_bytes(b"")
    _, first, *_ = deep("list", models)
    assert "broken" in first
