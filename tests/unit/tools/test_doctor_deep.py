"""What ``tidecast doctor`` says of deep networks."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from slabs import settings_with

from tidecast.state.settings import Settings
from tidecast.tools.doctor import machine
from tidecast.tools.doctor.machine import examine_deep


def asking(root: Path, *experts: str) -> Settings:
    return settings_with(
        forecast={"horizon": 3, "experts": ["tsb", *experts]}, deep={"models": str(root)}
    )


def test_without_torch_only_who_asks_for_deep_forecasts_is_warned(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(machine, "find_spec", lambda _: None)
    assert list(examine_deep(asking(tmp_path))) == []
    (found,) = examine_deep(asking(tmp_path, "deep"))
    assert (found.level, found.subject) == ("warn", "deep")
    assert "tidecast[deep]" in found.remedy


def test_what_networks_run_on_is_told_and_who_asks_for_them_needs_a_model(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    (found,) = examine_deep(asking(tmp_path))
    assert found.level == "ok"
    assert f"torch {torch.__version__} on " in found.found
    assert "0 models in" in found.found
    (lacking,) = examine_deep(asking(tmp_path, "deep"))
    assert lacking.level == "warn"
    assert f"no model in {tmp_path}" in lacking.found
    from deep_folders import saved

    saved(tmp_path, "a", horizon=1)
    (refused,) = examine_deep(asking(tmp_path, "deep"))
    assert refused.level == "warn"
    assert "but model a is refused: it was trained for a horizon of 1" in refused.found
    shutil.rmtree(tmp_path / "a")
    saved(tmp_path, "a")
    (with_one,) = examine_deep(asking(tmp_path, "deep"))
    assert (with_one.level, "1 models in" in with_one.found) == ("ok", True)
    assert "where a answers" in with_one.found
