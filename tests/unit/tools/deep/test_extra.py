"""``tidecast deep`` where its extra is not installed."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from tidecast.tools.deep import deep
from tidecast.tools.main import run


def test_without_torch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidecast.tools.deep.find_spec", lambda _: None)
    with pytest.raises(click.ClickException, match=r'pip install "tidecast\[deep\]"'):
        deep.get_command(click.Context(deep), "train")


def test_without_onnx_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    without = {"onnx": None, "onnxruntime": None, "onnxscript": None}
    monkeypatch.setattr("tidecast.tools.deep.find_spec", lambda name: without.get(name, name))
    with pytest.raises(click.ClickException, match=r'pip install "tidecast\[onnx\]"'):
        deep.get_command(click.Context(deep), "export")


def test_help_needs_no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidecast.tools.deep.find_spec", lambda _: None)
    assert "pems08" in deep.get_help(click.Context(deep))


def test_a_backtest_without_models_needs_no_torch_and_one_with_them_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tidecast.tools.deep.find_spec", lambda _: None)
    table = tmp_path / "sales.csv"
    hours = (f"2024-01-{1 + n // 24:02}T{n % 24:02}:00,a,{n % 5}\n" for n in range(60))
    table.write_text("time,region,value\n" + "".join(hours))
    few = ["backtest", str(table), "--freq", "1h", "--horizon", "2", "--score-last", "6"]
    assert run(few) == 0
    assert run([*few, "--deep", str(tmp_path)]) == 1
    assert 'pip install "tidecast[deep]"' in capsys.readouterr().err
