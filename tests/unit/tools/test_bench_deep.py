"""The benchmark of deep networks."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

pytest.importorskip("torch")

from tidecast.tools.bench.deep import deep
from tidecast.tools.bench.deep_run import measure_deep


def test_a_backbone_is_measured() -> None:
    run = measure_deep("stid", cells=20, threads=1, steps=1)
    assert (run.backbone, run.cells, run.threads) == ("stid", 20, 1)
    assert run.windows_per_second > 0
    assert run.plain_windows_per_second > 0
    assert 0 < run.answer_seconds < run.start_seconds
    assert run.training_mib > 0
    assert run.peak_mib > 0


def test_json_is_one_object_and_nothing_else() -> None:
    words = ["--backbone", "stid", "--cells", "10", "--threads", "1", "--json"]
    done = CliRunner().invoke(deep, words, catch_exceptions=False)
    found = json.loads(done.stdout)
    assert [run["backbone"] for run in found["runs"]] == ["stid"]
