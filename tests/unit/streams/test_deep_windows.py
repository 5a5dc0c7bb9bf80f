"""Windows with covariates, from the forecaster to a deep model."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from slabs import LISTED, settings_with

from tidecast.models.deep.context import ClosedBin
from tidecast.models.fold import ForecastFold, Opened
from tidecast.state.bins import iso
from tidecast.state.cells import Cell, CellIndex
from tidecast.state.cuts import Announced, Announcement, BinSums, Cut
from tidecast.state.known import Known
from tidecast.state.settings import Settings
from tidecast.state.slabs import Slab
from tidecast.streams.deep_windows import tell
from tidecast.streams.forecast import ForecastOutput

CELLS = [Cell("north", "x"), Cell("south", "x")]
MINUTE = 60_000_000
SERIES = ["traffic"]
PROMOTION = {"name": "promotion", "topic": "told", "by": ["region"], "absent": 0}


class Listener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.known: list[Sequence[Known]] = []
        self.values: list[list[list[float]]] = []

    def take(self, shard: int, closed: ClosedBin) -> None:
        self.known.append(closed.known)
        self.values.append(closed.values.tolist())


def settings(experts: Sequence[str] = ("time_of_week", "deep"), *more: Any) -> Settings:
    return settings_with(
        sources=[{"name": "clicks", "topic": "c", "stream": "click"}],
        series=[{"name": "traffic", "stream": "click", "aggregate": "count"}],
        forecast={"horizon": 2, "season_lengths": [5], "experts": list(experts)},
        covariates=[PROMOTION, *more],
    )


def log() -> list[Any]:
    """Return a log in which a promotion of bin 12 in the north is announced in bin 10."""
    sums = BinSums.of(10, CellIndex(9, CELLS), np.full((2, 2), 20))
    row = Announced(0, "promotion", 12, 12, "north", None, 1.0, None)
    cut = Cut("clicks", 0, 10, 10, 100, (sums,))
    return [PartitionListOf, Announcement("told", 0, 1, (row,)), cut]


PartitionListOf = type(LISTED)((("clicks", 0),))


def window_of(of: Settings) -> bytes:
    """Return the record of the first bin that closes."""
    fold = ForecastFold(of, refits_are_decided=True)
    given = next(each for message in log() for each in fold.step(message))
    assert isinstance(given, Opened) or "deep" not in of.forecast.experts
    return next(ForecastOutput(of).records(given))[2]


def test_a_window_carries_what_is_known_at_its_end_of_it_and_the_bins_ahead(
    tmp_path: Path,
) -> None:
    size, spent = tmp_path / "size.csv", tmp_path / "spent.csv"
    size.write_text("region,value\nsouth,7\n")
    spent.write_text(f"time,value\n{iso(10 * MINUTE)},3\n")
    static = {"name": "size", "table": size, "kind": "static"}
    past = {"name": "spending", "table": spent, "kind": "past"}
    listener = Listener()
    tell(listener, SERIES, 0, window_of(settings(("time_of_week", "deep"), static, past)))
    [[promotion, told]] = listener.known
    assert promotion.of_cells.tolist() == [[0.0, 0.0], [0.0, 0.0], [1.0, 0.0]]
    np.testing.assert_array_equal(told.of_cells, [[np.nan, 7.0]])
    assert [(each.name, each.kind) for each in (promotion, told)] == [
        ("promotion", "known"),
        ("size", "static"),
    ]


def test_without_the_expert_that_asks_for_them_a_window_carries_none() -> None:
    assert "covariates" not in json.loads(window_of(settings(("time_of_week",))))


def test_windows_of_before_and_corrections_are_read_without_covariates() -> None:
    listener, of = Listener(), settings()
    old = json.loads(window_of(of))
    del old["covariates"]
    tell(listener, SERIES, 0, json.dumps(old).encode())
    slab = Slab(10, np.ones((2, 1)), revision=1)
    tell(listener, SERIES, 0, next(ForecastOutput(of).records(Opened(slab, CELLS)))[2])
    assert listener.known == [[], []]


@pytest.mark.parametrize("columns", [[0, 2], [0, -1], [0], [0, 1, 1]])
def test_a_window_whose_cells_have_no_column_is_passed_over(
    columns: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    listener, record = Listener(), json.loads(window_of(settings()))
    record["covariates"][0]["columns"] = columns
    with caplog.at_level(logging.WARNING):
        tell(listener, SERIES, 0, json.dumps(record).encode())
    assert listener.known == []
    assert "passed over" in caplog.text


def test_a_window_whose_values_are_not_of_its_cells_is_passed_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    listener, record = Listener(), json.loads(window_of(settings()))
    with caplog.at_level(logging.WARNING):
        tell(listener, SERIES, 0, json.dumps(record | {"values": [[1.0]]}).encode())
    assert listener.known == []
    assert "passed over" in caplog.text


def test_series_are_taken_by_name_and_of_one_that_was_added_later_nothing_is_known() -> None:
    listener, record = Listener(), json.loads(window_of(settings()))
    record |= {"series": ["orders", "traffic"], "values": [[1.0, None], [3.0, 4.0]]}
    for series in (["traffic", "orders"], ["traffic", "returns", "orders"], ["traffic"]):
        tell(listener, series, 0, json.dumps(record).encode())
    reordered, longer, shorter = listener.values
    np.testing.assert_array_equal(reordered, [[3.0, 1.0], [4.0, np.nan]])
    np.testing.assert_array_equal(longer, [[3.0, np.nan, 1.0], [4.0, np.nan, np.nan]])
    assert shorter == [[3.0], [4.0]]
