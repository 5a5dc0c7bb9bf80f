"""Usual weeks, calendars and neighbours."""

from __future__ import annotations

import numpy as np

from tidecast.models.covariates import Calendar
from tidecast.models.kin import LEAST_MEAN, Kin
from tidecast.models.neighbours import cell_neighbours
from tidecast.models.profile import ForecastProfile
from tidecast.models.surroundings import Surroundings
from tidecast.models.usual import UsualWeek
from tidecast.state.bins import HOUR, BinGrid
from tidecast.state.cells import Cell
from tidecast.state.slabs import Slab

MONDAY = 24 * (5 * 365 + 1) + 24 * 5  # Monday 1975-01-06, midnight UTC
LEVEL = np.array([[5.0]])


def week_of_one() -> UsualWeek:
    week = UsualWeek(Calendar(BinGrid(HOUR)), 1, memory=168)
    week.relate(Kin.of([Cell("north", "books")], {}))
    return week


def test_slots_are_local_hours_of_the_week() -> None:
    calendar = Calendar(BinGrid(HOUR, "Asia/Tokyo"))
    assert BinGrid(HOUR).local(MONDAY).isoformat() == "1975-01-06T00:00:00+00:00"
    assert calendar.n_slots == 168
    assert calendar.slot(MONDAY) == 9


def test_slots_follow_summer_time() -> None:
    grid = BinGrid(HOUR, "Europe/Berlin")
    calendar = Calendar(grid)
    july = int(grid.index(np.array([1_720_000_000_000_000]))[0])
    assert calendar.slot(july) % 24 == grid.local(july).hour == 11


def test_days_have_seven_slots() -> None:
    calendar = Calendar(BinGrid("day", "Europe/London"))
    assert [calendar.slot(bin_) for bin_ in range(4, 12)] == [0, 1, 2, 3, 4, 5, 6, 0]


def test_bins_of_minutes_share_the_slot_of_their_hour() -> None:
    calendar = Calendar(BinGrid(HOUR // 60))
    assert calendar.bins_per_slot == 60
    assert {calendar.slot(60 * MONDAY + minute) for minute in range(60)} == {0}


def test_without_values_the_usual_is_the_level() -> None:
    week = week_of_one()
    assert week.of(range(MONDAY, MONDAY + 2), LEVEL).tolist() == [[[5.0]], [[5.0]]]


def test_a_slot_learns_its_own_mean_and_leans_on_the_same_hour_of_other_days() -> None:
    week = week_of_one()
    for n in range(20):
        week.learn(MONDAY + 168 * n, np.array([[50.0]]), LEVEL)
    monday, other_hour = week.of(range(MONDAY, MONDAY + 2), LEVEL)[:, 0, 0]
    tuesday = week.of(range(MONDAY + 24, MONDAY + 25), LEVEL)[0, 0, 0]
    assert 48.0 < monday < 50.0
    assert 40.0 < tuesday < monday
    assert other_hour == 5.0


def test_missing_values_leave_the_usual_as_it_was() -> None:
    week = week_of_one()
    week.learn(MONDAY, np.array([[50.0]]), LEVEL)
    before = week.of(range(MONDAY, MONDAY + 1), LEVEL).tolist()
    week.learn(MONDAY + 168, np.array([[np.nan]]), LEVEL)
    assert week.of(range(MONDAY, MONDAY + 1), LEVEL).tolist() == before


def test_neighbours_are_of_the_same_category_in_the_nearest_regions() -> None:
    cells = [
        Cell("a", "toys"), Cell("b", "toys"), Cell("c", "toys"),
        Cell("a", "books"), Cell("c", "books"), Cell("nowhere", "toys"),
    ]  # fmt: skip
    positions = {"a": (0.0, 0.0), "b": (0.0, 1.0), "c": (0.0, 3.0)}
    near = cell_neighbours(cells, positions, k=2)
    assert near.tolist() == [[1, 2], [0, 2], [1, 0], [4, -1], [3, -1], [-1, -1]]


def test_levels_of_a_sparse_table_are_of_the_order_of_what_its_cells_have() -> None:
    profile = ForecastProfile(("orders",), BinGrid("day"), 1, (0.5,), (7,))
    surroundings, n_cells, chance = Surroundings(profile), 60, 0.03
    cells = [Cell(f"region {n}", "all") for n in range(n_cells)]
    days = (np.random.default_rng(3).random((400, n_cells)) < chance).astype(np.float64)
    first = np.where(days.any(axis=0), days.argmax(axis=0), len(days))
    order = np.argsort(first, kind="stable")
    for n, values in enumerate(days[:, order]):
        known = int((first <= n).sum())  # a cell is known from its first order on
        surroundings.observe(Slab(20_000 + n, values[:known, None]), cells[:known], {})
    had = days[-50:].mean()
    assert had / 1.2 < surroundings.level.mean() < 1.2 * had / LEAST_MEAN
