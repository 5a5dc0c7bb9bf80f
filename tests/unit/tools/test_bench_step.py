"""The benchmark of the forecast step."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from tidecast.state.settings.experts import DEFAULT_EXPERTS
from tidecast.tools.bench.step import fitted_trees, measure_step, step
from tidecast.tools.bench.timed import loop_seconds


def test_a_step_is_measured() -> None:
    run = measure_step(cells=5, series=2, horizon=3, more=["last_value"], warm_bins=4)
    assert (run.cells, run.series, run.horizon) == (5, 2, 3)
    assert run.seconds_per_bin > 0
    assert run.peak_mib > 0
    assert list(run.experts) == [*DEFAULT_EXPERTS, "last_value"]
    assert 0 < sum(run.experts.values()) < run.seconds_per_bin


def test_trees_are_measured_awake_and_as_large_as_they_get() -> None:
    one, other = fitted_trees(series=2, horizon=3)
    assert one == other
    assert one.count(b"num_leaves=63") == 15


def test_a_loop_over_cells_takes_as_much_longer_as_there_are_more() -> None:
    assert loop_seconds(3000, horizon=2) > 3 * loop_seconds(300, horizon=2)


def test_json_is_one_object_and_nothing_else() -> None:
    done = CliRunner().invoke(
        step,
        ["--cells", "3,4", "--series", "1", "--horizon", "2", "--json"],
        catch_exceptions=False,
    )
    found = json.loads(done.stdout)
    assert [run["cells"] for run in found["runs"]] == [3, 4]
    expected = {"cells", "series", "horizon", "seconds_per_bin", "peak_mib"}
    expected |= {"experts", "loop_seconds"}
    assert all(set(run) == expected for run in found["runs"])


@pytest.mark.parametrize("cells", ["0", "ten", "10,", ""])
def test_cells_that_are_no_numbers_are_refused(cells: str) -> None:
    done = CliRunner().invoke(step, ["--cells", cells])
    assert done.exit_code == 2
    assert "whole numbers, joined by commas" in done.stderr
