"""The race on a real broker, with few records."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from tidecast.tools.bench import bench
from tidecast.tools.bench.recovery import measure_recovery

NAMES = ["fetch", "tidecast", "tidecast-windows", "faust"]


def test_the_race_prints_one_object_with_verified_rates_and_ratios(
    kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDECAST_KAFKA__BOOTSTRAP", kafka_bootstrap)
    arguments = ["ingest", "--json", "--records", "20000", "--runs", "1", "--contenders"]
    done = CliRunner().invoke(bench, [*arguments, ",".join(NAMES)], standalone_mode=False)
    assert done.exception is None
    found = json.loads(done.stdout)
    stands = [(c["name"], c["verified"]) for c in found["contenders"]]
    assert stands == [(n, True) for n in NAMES], done.stderr
    rates = {c["name"]: c["records_per_second"] for c in found["contenders"]}
    assert found["ratio"] == {
        name: rates["tidecast"] / rates[name] for name in NAMES if name != "tidecast"
    }


def test_a_forecaster_comes_back_as_it_was_saved(kafka_bootstrap: str) -> None:
    run = measure_recovery(kafka_bootstrap, cells=20, bins=15)
    assert (run.cells, run.bins) == (20, 15)
    assert run.megabytes > 0
