"""The benchmark of the forecast step."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from tidecast.tools.bench.step import measure_step, step


def test_a_step_is_measured() -> None:
    run = measure_step(cells=5, series=2, horizon=3, warm_bins=4)
    assert (run.cells, run.series, run.horizon) == (5, 2, 3)
    assert run.seconds_per_bin > 0
    assert run.peak_mib > 0


def test_json_is_one_object_and_nothing_else() -> None:
    done = CliRunner().invoke(
        step,
        ["--cells", "3,4", "--series", "1", "--horizon", "2", "--json"],
        catch_exceptions=False,
    )
    found = json.loads(done.stdout)
    assert [run["cells"] for run in found["runs"]] == [3, 4]
    expected = {"cells", "series", "horizon", "seconds_per_bin", "peak_mib"}
    assert all(set(run) == expected for run in found["runs"])


@pytest.mark.parametrize("cells", ["0", "ten", "10,", ""])
def test_cells_that_are_no_numbers_are_refused(cells: str) -> None:
    done = CliRunner().invoke(step, ["--cells", cells])
    assert done.exit_code == 2
    assert "whole numbers, joined by commas" in done.stderr
