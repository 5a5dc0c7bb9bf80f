"""What the benchmarks of checkpoints make of their runs."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from tidecast.tools.bench import bench
from tidecast.tools.bench.checkpoints import cost


def test_the_share_kept_is_the_median_of_the_rounds() -> None:
    found = cost([100.0, 200.0, 400.0], [90.0, 100.0, 380.0])
    assert found["shares"] == pytest.approx([0.9, 0.5, 0.95])
    assert found["kept"] == pytest.approx(0.9)


@pytest.mark.parametrize("histories", ["10", "10x", "x10", "0x10", "10x10x10", "a1xb2", ""])
def test_histories_are_cells_times_bins(histories: str) -> None:
    done = CliRunner().invoke(bench, ["recovery", "--histories", histories])
    assert done.exit_code == 2
    assert "CELLSxBINS" in done.output
