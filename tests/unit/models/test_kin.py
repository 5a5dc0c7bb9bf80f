"""The shape of the week that a cell shares with its kin."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tidecast.models.covariates import Calendar
from tidecast.models.kin import Kin, KinWeek
from tidecast.models.usual import UsualWeek
from tidecast.state.bins import HOUR, BinGrid
from tidecast.state.cells import Cell

MONDAY = 24 * (5 * 365 + 1) + 24 * 5  # Monday 1975-01-06, midnight UTC
DAY = np.array([0.5] * 12 + [1.5] * 12)
NIGHT = DAY[::-1]
NORTH = [f"north {n}" for n in range(4)]
SOUTH = [f"south {n}" for n in range(4)]
POSITIONS = {
    **{name: (50.0 + n, 8.0) for n, name in enumerate(NORTH)},
    **{name: (-30.0 - n, 20.0) for n, name in enumerate(SOUTH)},
    "near north": (49.0, 8.0),
}


def cells(*names: str) -> list[Cell]:
    """Return the cells of these ``region/category``."""
    return [Cell(*name.split("/")) for name in names]


def taught(
    shapes: list[NDArray[np.float64]], names: tuple[str, ...], n_days: int = 21, level: float = 9.0
) -> UsualWeek:
    """Return the usual week of cells of such days, and of those named beyond, not seen yet."""
    week = UsualWeek(Calendar(BinGrid(HOUR)), 1, memory=168)
    week.relate(Kin.of(cells(*names), POSITIONS))
    levels = np.full((len(names), 1), level)
    values = np.full((len(names), 1), np.nan)
    for n in range(24 * n_days):
        values[: len(shapes), 0] = [level * shape[n % 24] for shape in shapes]
        week.note(MONDAY + n, np.isfinite(values))
        week.learn(MONDAY + n, values, levels)
    return week


def expected(week: UsualWeek, n_cells: int, hour: int) -> float:
    """Return what is usual of the last cell, of level 1, at an hour."""
    bin_ = MONDAY + 24 * 21 + hour
    return float(week.of(range(bin_, bin_ + 1), np.ones((n_cells, 1)))[0, -1, 0])


def test_regions_and_categories_are_numbered_as_they_appear() -> None:
    kin = Kin.of(cells("south 0/x", "north 0/x", "south 0/y"), POSITIONS)
    assert kin.region.tolist() == [0, 1, 0]
    assert kin.category.tolist() == [0, 0, 1]
    assert kin.near[:, 0].tolist() == [1, 0]


def test_a_cell_that_nothing_is_known_of_has_the_week_of_all() -> None:
    week = taught([DAY] * 6, (*(f"{n}/x" for n in range(6)), "new/x"))
    assert expected(week, 7, 3) == pytest.approx(0.5, rel=0.1)
    assert expected(week, 7, 15) == pytest.approx(1.5, rel=0.1)


def test_a_cell_leans_on_its_category() -> None:
    names = [*(f"{n}/x" for n in range(6)), *(f"{n}/y" for n in range(6)), "new/y"]
    week = taught([DAY] * 6 + [NIGHT] * 6, tuple(names))
    assert expected(week, 13, 3) > 1.2
    assert expected(week, 13, 15) < 0.8


def test_a_region_leans_on_those_around_it() -> None:
    names = tuple(f"{name}/x" for name in SOUTH + NORTH)
    near = taught([DAY] * 4 + [NIGHT] * 4, (*names, "near north/x"))
    nowhere = taught([DAY] * 4 + [NIGHT] * 4, (*names, "nowhere/x"))
    assert expected(near, 9, 3) > 1.1 * expected(nowhere, 9, 3)


def test_without_kin_weeks_are_flat() -> None:
    week = UsualWeek(Calendar(BinGrid(HOUR)), 1, memory=168, has_kin=False)
    week.relate(Kin.of(cells("a/x", "b/x"), {}))
    for n in range(24 * 14):
        week.learn(MONDAY + n, np.array([[DAY[n % 24]], [np.nan]]), np.ones((2, 1)))
    assert expected(week, 2, 3) == expected(week, 2, 15) == 1.0


def test_a_cell_seen_by_night_only_is_larger_than_that() -> None:
    week = taught([DAY] * 6, (*(f"{n}/x" for n in range(6)), "new/x"))
    known = np.arange(7)[:, None] == 6
    for hour in range(4):
        week.note(MONDAY + 24 * 21 + hour, known)
    fair = week.fair(np.full((7, 1), 2.0))
    assert fair[6, 0] == pytest.approx(4.0, rel=0.1)
    assert fair[0, 0] == pytest.approx(2.0, rel=0.1)


def test_own_values_count_for_more_than_kin_soon() -> None:
    week = taught([DAY] * 6 + [NIGHT], tuple(f"{n}/x" for n in range(7)))
    assert expected(week, 7, 3) > 6.0


def test_a_shock_of_one_bin_is_not_the_shape_of_its_hour() -> None:
    week = KinWeek(168, 1)
    week.relate(Kin.of(cells(*(f"{n}/x" for n in range(50))), {}))
    even, once = np.ones((50, 1), np.float32), np.ones((50, 1), np.float32)
    for day in range(6):
        week.learn(24 * day, even, once, even)
    week.learn(144, 3.0 * even, once, even)
    assert week.shape(np.array([144]))[0, 0, 0] < 2.5


def test_levels_below_zero_are_of_no_size() -> None:
    week, without = KinWeek(168, 1), KinWeek(168, 1)
    week.relate(Kin.of(cells("a/x", "b/x"), {}))
    without.relate(Kin.of(cells("a/x", "b/x"), {}))
    mean, weeks = np.ones((2, 1), np.float32), np.ones((2, 1), np.float32)
    week.learn(0, mean, weeks, np.array([[2.0], [-6.0]], np.float32))  # of mean -2
    without.learn(0, mean, weeks, np.array([[2.0], [0.0]], np.float32))
    first = np.array([0])
    assert np.isfinite(week.shape(first)).all()
    assert week.shape(first).tobytes() == without.shape(first).tobytes()


@pytest.mark.parametrize(("n_cells", "n_series"), [(1, 1), (5, 3), (30, 1), (3000, 2)])
def test_many_bins_are_told_as_one_by_one_to_the_byte(n_cells: int, n_series: int) -> None:
    week, rng = UsualWeek(Calendar(BinGrid("day")), n_series, memory=50), np.random.default_rng(4)
    names = [f"{(NORTH + SOUTH)[n % 8]}/{n % 5}" for n in range(n_cells)]
    week.relate(Kin.of(cells(*names), POSITIONS))
    level = rng.gamma(2.0, 20.0, (n_cells, n_series))
    for n in range(40):
        week.learn(MONDAY // 24 + n, rng.poisson(level * (n % 7 != 5)).astype(np.float64), level)
    bins, scale = range(MONDAY // 24 + 40, MONDAY // 24 + 50), np.sqrt(level)
    alone = [range(bin_, bin_ + 1) for bin_ in bins]
    usual = [week.of(each, level)[0] for each in alone]
    shut = [week.shut(each, level, scale)[0] for each in alone]
    assert week.of(bins, level).tobytes() == np.stack(usual).tobytes()
    assert week.shut(bins, level, scale).tobytes() == np.stack(shut).tobytes()
    assert np.any(shut)
    assert not np.all(shut)


def test_a_restored_week_goes_on_to_the_byte() -> None:
    names = ("south 0/x", "north 0/x", "near north/x")
    week = taught([DAY, NIGHT], names, n_days=8)
    other = UsualWeek(Calendar(BinGrid(HOUR)), 1, memory=168)
    other.restore({name: array.copy() for name, array in week.snapshot().items()})
    other.relate(Kin.of(cells(*names), POSITIONS))
    bins, level = range(MONDAY, MONDAY + 168), np.ones((3, 1))
    assert other.of(bins, level).tobytes() == week.of(bins, level).tobytes()
    assert other.fair(level).tobytes() == week.fair(level).tobytes()
