"""The race on a real broker, with few records."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from tidecast.tools.bench import bench


def test_the_race_prints_one_object_with_verified_rates(
    kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDECAST_KAFKA__BOOTSTRAP", kafka_bootstrap)
    arguments = ["ingest", "--json", "--records", "3000", "--runs", "2", "--contenders"]
    done = CliRunner().invoke(bench, [*arguments, "fetch,faust"], standalone_mode=False)
    assert done.exception is None
    found = json.loads(done.stdout)
    assert [(c["name"], c["verified"]) for c in found["contenders"]] == [
        ("fetch", True),
        ("faust", True),
    ]
    assert all(len(c["runs"]) == 2 for c in found["contenders"])
