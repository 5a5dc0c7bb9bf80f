"""Regions and where they lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tidecast.state.errors import SettingsError
from tidecast.state.regions import GridRegions, H3Regions, read_positions, region_positions
from tidecast.state.settings import RegionsSettings


@pytest.mark.parametrize("degrees", [0.1, 0.7, 7.3, 90.0])
def test_the_middle_of_a_square_is_in_the_square(degrees: float) -> None:
    grid = GridRegions(degrees)
    name = grid.name(51.5, -0.1)
    position = grid.position(name)
    assert position is not None
    assert grid.name(*position) == name


def test_the_far_edges_belong_to_the_last_row_and_column() -> None:
    assert GridRegions(10).name(90, 180) == GridRegions(10).name(89.9, 179.9) == "r17_35"


@pytest.mark.parametrize("name", ["north", "r1", "r1_x", "(overflow)", "r-1_2"])
def test_a_name_that_is_no_square_has_no_position(name: str) -> None:
    assert GridRegions(1).position(name) is None


def test_a_hexagon_lies_where_its_positions_are() -> None:
    hexagons = H3Regions(6)
    lat, lng = hexagons.position(hexagons.name(51.5, -0.1)) or (np.nan, np.nan)
    assert abs(lat - 51.5) < 0.1 and abs(lng + 0.1) < 0.1
    assert hexagons.position("north") is None


def test_positions_come_from_the_table_and_unknown_regions_have_none(tmp_path: Path) -> None:
    table = tmp_path / "regions.csv"
    table.write_text("region,people,lat,lng\nnorth,5,55.5,-3\nsouth,6,50,-1.5\n")
    positions = region_positions(RegionsSettings(table=table), ["south", "west", "north"])
    np.testing.assert_array_equal(positions, [[50, -1.5], [np.nan, np.nan], [55.5, -3]])
    assert region_positions(RegionsSettings(), []).shape == (0, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("region,lat\nnorth,1\n", "lacks the column"),
        ("", "lacks the column"),
        ("region,lat,lng\nnorth,1,2\nnorth,1,2\n", "line 3"),
        ("region,lat,lng\nnorth,91,2\n", "line 2"),
        ("region,lat,lng\nnorth,x,2\n", "line 2"),
        ("region,lat,lng\nnorth,1\n", "line 2"),
        ("region,lat,lng\n,1,2\n", "line 2"),
    ],
)
def test_a_bad_table_is_refused_by_line(tmp_path: Path, text: str, message: str) -> None:
    table = tmp_path / "regions.csv"
    table.write_text(text)
    with pytest.raises(SettingsError, match=message):
        read_positions(table)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.csv"):
        read_positions(tmp_path / "none.csv")
