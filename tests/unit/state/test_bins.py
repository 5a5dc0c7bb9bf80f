"""The arithmetic between instants and bin numbers."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidecast.state.bins import BinGrid, from_micros, iso, to_micros

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
FIRST, LAST = (
    to_micros(datetime(1970, 1, 3, tzinfo=UTC)),
    to_micros(datetime(2106, 1, 1, tzinfo=UTC)),
)
ZONES = ("UTC", "Europe/London", "Asia/Kolkata", "America/New_York", "Australia/Lord_Howe")
GRIDS = [
    BinGrid(width, zone) for zone in ZONES for width in (SECOND, 15 * MINUTE, HOUR, 6 * HOUR, "day")
]


def bin_of(grid: BinGrid, moment: str) -> int:
    return int(grid.index(np.array([to_micros(datetime.fromisoformat(moment))]))[0])


def hours_of(grid: BinGrid, bin_: int) -> float:
    return (grid.end(bin_) - grid.start(bin_)) / HOUR


@given(st.sampled_from(GRIDS), st.integers(FIRST, LAST))
def test_every_instant_lies_in_the_half_open_bin_of_its_number(grid: BinGrid, time: int) -> None:
    bin_ = int(grid.index(np.array([time]))[0])
    assert grid.start(bin_) <= time < grid.end(bin_)


@given(st.sampled_from(GRIDS), st.integers(FIRST, LAST))
def test_a_bin_ends_where_the_next_begins(grid: BinGrid, time: int) -> None:
    bin_ = int(grid.index(np.array([time]))[0])
    edges = np.array([grid.start(bin_), grid.end(bin_) - 1, grid.end(bin_)])
    assert grid.index(edges).tolist() == [bin_, bin_, bin_ + 1]
    assert grid.end(bin_) == grid.start(bin_ + 1)


def test_a_local_day_in_spring_has_23_hours_and_one_in_autumn_25() -> None:
    grid = BinGrid("day", "Europe/London")
    spring = bin_of(grid, "2026-03-29T12:00:00+01:00")
    autumn = bin_of(grid, "2026-10-25T12:00:00+00:00")
    assert hours_of(grid, spring) == 23
    assert hours_of(grid, autumn) == 25
    assert hours_of(grid, autumn + 1) == 24


def test_local_days_begin_at_local_midnight_all_year() -> None:
    grid = BinGrid("day", "America/New_York")
    starts = {grid.local(day).strftime("%H:%M") for day in range(18_000, 18_730)}
    assert starts == {"00:00"}


def test_an_hour_before_london_midnight_in_summer_belongs_to_the_day_before() -> None:
    grid = BinGrid("day", "Europe/London")
    assert bin_of(grid, "2026-07-01T23:30:00+01:00") == bin_of(grid, "2026-07-01T00:00:00+01:00")
    assert bin_of(grid, "2026-07-01T23:30:00+00:00") == bin_of(grid, "2026-07-02T12:00:00+01:00")


def test_hours_in_a_zone_of_half_hours_begin_on_its_local_hour() -> None:
    grid = BinGrid(HOUR, "Asia/Kolkata")
    bin_ = bin_of(grid, "2026-01-31T12:10:00+05:30")
    assert grid.local(bin_).isoformat() == "2026-01-31T12:00:00+05:30"


@pytest.mark.parametrize(
    ("zone", "hours"),
    [("America/New_York", 6), ("Asia/Kolkata", 12), ("Australia/Sydney", 8), ("Europe/Dublin", 12)],
)
def test_bins_of_several_hours_begin_at_midnight_of_standard_time(zone: str, hours: int) -> None:
    grid = BinGrid(hours * HOUR, zone)
    month = "2026-07" if zone == "Australia/Sydney" else "2026-01"
    first = bin_of(grid, f"{month}-10T12:00:00+00:00")
    starts = {grid.local(first + n).hour for n in range(24 // hours)}
    assert starts == set(range(0, 24, hours))


def test_seasons_are_the_day_and_the_week_in_bins() -> None:
    assert BinGrid(HOUR).season_lengths() == (24, 168)
    assert BinGrid("day").season_lengths() == (7,)
    assert BinGrid(MINUTE).season_lengths() == (1440,)


@given(st.integers(0, LAST))
def test_times_survive_the_way_to_datetimes_and_back(micros: int) -> None:
    assert to_micros(from_micros(micros)) == micros
    assert to_micros(datetime.fromisoformat(iso(micros))) == micros
