"""``tidecast deep`` where its extra is not installed."""

from __future__ import annotations

import click
import pytest

from tidecast.tools.deep import deep


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
