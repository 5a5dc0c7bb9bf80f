"""The last bins of a live shop, as records of the windows topic tell of them."""

from __future__ import annotations

import numpy as np

from tidecast.models.deep.context import ClosedBin
from tidecast.state.bins import BinGrid
from tidecast.state.cells import Cell
from tidecast.state.known import Known
from tidecast.streams.deep_history import Told

GRID = BinGrid(60_000_000)
CELLS = [Cell("north", "books"), Cell("south", "books"), Cell("west", "books")]


def told(n_bins: int, *bins: tuple[int, int, list[float]]) -> Told:
    """Return what was told of (shard, bin, values of its first cells)."""
    found = Told(n_bins, 1, GRID)
    for shard, bin_, values in bins:
        cells = CELLS[2:] if shard else CELLS[: len(values)]
        found.take(shard, ClosedBin(bin_, cells, np.array(values)[:, None]))
    return found


def test_bins_are_in_order_and_what_was_skipped_or_had_not_joined_is_missing() -> None:
    found = told(9, (0, 5, [1.0]), (0, 6, [2.0]), (0, 8, [3.0, 30.0])).last_bins()
    assert (found.first, found.cells) == (5, tuple(CELLS[:2]))
    expected = [[1, np.nan], [2, np.nan], [np.nan, np.nan], [3, 30]]
    np.testing.assert_array_equal(found.values[:, :, 0], expected)


def test_a_correction_replaces_what_was_told() -> None:
    found = told(9, (0, 5, [1.0]), (0, 6, [2.0]), (0, 5, [7.0])).last_bins()
    assert found.values[:, 0, 0].tolist() == [7, 2]


def test_only_the_last_bins_are_kept() -> None:
    found = told(3, *((0, bin_, [float(bin_)]) for bin_ in range(10))).last_bins()
    assert found.first == 7
    assert found.values[:, 0, 0].tolist() == [7, 8, 9]


def test_cells_of_all_shards_stand_side_by_side() -> None:
    found = told(9, (0, 5, [1.0, 2.0]), (0, 6, [3.0, 4.0]), (1, 6, [9.0])).last_bins()
    assert found.cells == tuple(CELLS)
    np.testing.assert_array_equal(found.values[:, :, 0], [[1, 2, np.nan], [3, 4, 9]])


def test_a_topic_without_a_bin_tells_nothing() -> None:
    assert told(9).last_bins().values.shape == (0, 0, 1)


def test_what_was_known_of_covariates_is_kept_but_not_what_corrections_say() -> None:
    found = Told(9, 1, GRID)
    for bin_, price in ((5, 1.0), (6, 2.0), (5, 7.0)):
        known = Known("price", "known", np.array([[price], [price + 0.5]]), np.zeros(1, np.int64))
        found.take(0, ClosedBin(bin_, CELLS[:1], np.zeros((1, 1)), [known]))
    (price_told,) = found.last_bins().covariates
    assert price_told.at(range(5, 8), GRID.end(5))[:2, 0].tolist() == [1.0, 1.5]
    assert price_told.at(range(5, 8), GRID.end(6))[:, 0].tolist() == [1.0, 2.0, 2.5]
