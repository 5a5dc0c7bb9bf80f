"""Features of the trees: what they say, and what they may know."""

from __future__ import annotations

import numpy as np
from tree_worlds import FIRST_BIN, TreeWorld, column, counts, tree_profile

from tidecast.models.periodic.features import CLIP, FEATURES


def test_a_table_has_a_row_for_every_series_and_cell_of_every_lead() -> None:
    world = TreeWorld(tree_profile(6, n_series=2))
    *_, (_, rows) = world.rows([np.ones((4, 2))] * 3)
    assert rows.table.shape == (2, 3, 4, len(FEATURES))
    assert column(rows, "lead", 2) == [2.0] * 8


def test_values_are_read_whole_seasons_before_the_target() -> None:
    world = TreeWorld(tree_profile(4, 12))
    slabs = [np.array([[float(n)]]) for n in range(40)]
    *_, (slab, rows) = world.rows(slabs)
    unit = rows.unit[0, 0]
    level = column(rows, "size", 1)[0] * unit
    for lead in (1, 2, 3):
        target = 39 + lead
        for name, n in (
            ("season_short", target - 4),
            ("season_short_2", target - 8),
            ("season_long", target - 12),
            ("season_long_before", target - 13),
            ("season_long_after", target - 11),
            ("value", 39),
        ):
            found = column(rows, name, lead)[0]
            assert np.isclose(found, (n - level) / unit, rtol=1e-5), name
    assert slab.bin == FIRST_BIN + 39


def test_no_value_after_the_origin_is_read() -> None:
    slabs = counts(60, [5.0, 20.0])
    one, other = TreeWorld(tree_profile(6, 12)), TreeWorld(tree_profile(6, 12))
    changed = [*slabs[:50], *(values + 100.0 for values in slabs[50:])]
    tables = [
        [rows.table.copy() for _, rows in world.rows(given)][:50]
        for world, given in ((one, slabs), (other, changed))
    ]
    assert all(a.tobytes() == b.tobytes() for a, b in zip(*tables, strict=True))


def test_features_do_not_depend_on_what_a_series_is_measured_in() -> None:
    slabs = counts(60, [5.0, 20.0, 80.0])
    one, other = (TreeWorld(tree_profile(6, 12), n_placed=3) for _ in range(2))
    *_, (_, small) = one.rows(slabs)
    *_, (_, large) = other.rows([1000.0 * values for values in slabs])
    assert np.allclose(small.table, large.table, rtol=1e-3, atol=1e-3, equal_nan=True)


def test_what_is_not_known_is_nan() -> None:
    world = TreeWorld(tree_profile())
    *_, (_, rows) = world.rows([np.array([[np.nan], [2.0]])] * 3)
    assert np.isnan(column(rows, "value", 1)[0])
    assert np.isfinite(column(rows, "value", 1)[1])
    assert np.isnan(column(rows, "near", 1)).all()
    for name in ("season_short", "season_long", "departure_mean_season", "total_season"):
        assert np.isnan(column(rows, name, 1)).all(), name


def test_neighbours_are_those_with_a_position() -> None:
    world = TreeWorld(tree_profile(), n_placed=2)
    slabs = [np.ones((3, 1))] * 30 + [np.array([[1.0], [3.0], [3.5]])]
    *_, (_, rows) = world.rows(slabs)
    first, second, third = column(rows, "near", 1)
    assert first > 0.1
    assert second == 0.0
    assert np.isnan(third)


def test_the_total_departs_with_all_cells_together() -> None:
    world = TreeWorld(tree_profile())
    *_, (_, rows) = world.rows([*[np.full((4, 1), 4.0)] * 30, np.full((4, 1), 8.0)])
    assert np.allclose(column(rows, "total", 1), column(rows, "departure", 1), rtol=1e-5)


def test_the_calendar_is_that_of_the_target() -> None:
    world = TreeWorld(tree_profile())
    *_, (_, rows) = world.rows([np.ones((1, 1))])
    first = column(rows, "time_of_day", 1)[0]
    assert column(rows, "time_of_day", 3)[0] == (first + 2) % 24
    assert first == (FIRST_BIN + 1) % 24


def test_features_of_a_burst_are_bounded() -> None:
    world = TreeWorld(tree_profile(6))
    *_, (_, rows) = world.rows([*[np.ones((2, 1))] * 30, np.full((2, 1), 1e15)])
    assert np.nanmax(np.abs(rows.table)) <= CLIP


def test_without_cells_there_are_no_rows() -> None:
    world = TreeWorld(tree_profile(6))
    *_, (_, rows) = world.rows([np.zeros((0, 1))] * 20)
    assert rows.table.shape == (1, 3, 0, len(FEATURES))
