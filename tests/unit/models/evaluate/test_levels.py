"""Rows of levels."""

from __future__ import annotations

import numpy as np

from tidecast.models.evaluate.levels import LEVELS, Rows
from tidecast.state.cells import Cell

CELLS = [
    Cell("north", "toys"),
    Cell("south", "toys"),
    Cell("north", "books"),
    Cell("west", "books"),
]
VALUES = np.array([[1.0], [2.0], [4.0], [8.0]])  # (cell, lead)


def sums(level: str, n_cells: int = 4, known: list[bool] | None = None) -> list[float]:
    rows = Rows(level)
    rows.see(CELLS[:2])
    rows.see(CELLS)
    kept = np.array(known or [True] * n_cells)[:, None]
    return rows.add_up(VALUES[:n_cells], kept)[:, 0].tolist()


def test_cells_add_up_to_regions_categories_and_a_total() -> None:
    found = {level: sums(level) for level in LEVELS}
    assert found == {
        "cell": [1.0, 2.0, 4.0, 8.0],
        "region": [5.0, 2.0, 8.0],
        "category": [3.0, 12.0],
        "total": [15.0],
    }


def test_only_what_is_known_is_added_up_and_nothing_known_is_not_zero() -> None:
    assert sums("category", known=[True, False, True, True]) == [1.0, 12.0]
    assert np.isnan(sums("category", known=[False, False, True, True])[0])
    assert np.isnan(sums("cell", known=[False, True, True, True])[0])


def test_an_earlier_bin_has_fewer_cells() -> None:
    assert sums("region", n_cells=2) == [1.0, 2.0]
