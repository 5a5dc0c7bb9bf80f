"""Where regions lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidecast.state.errors import LogError
from tidecast.streams.backtest.places import read_places, read_region_holidays


def places(tmp_path: Path, text: str) -> dict[str, tuple[float, float]]:
    path = tmp_path / "regions.csv"
    path.write_text(text)
    return read_places(path)


def test_columns_are_known_by_name(tmp_path: Path) -> None:
    expected = {"7": (50.0, 5.5), "8": (51.0, 6.0)}
    assert places(tmp_path, "region,lat,lng\n7,50,5.5\n8,51,6\n") == expected
    assert places(tmp_path, "lon,latitude,Station,x\n5.5,50,7,1\n6,51,8,\n,,9,\n") == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("region,lat\na,1\n", "has no column lng"),
        ("region,lat,lng\na,91,0\n", "'a' lies off the globe"),
        ("region,lat,lng\na,1,1\na,2,2\n", "'a' stands twice"),
        ("region,lat,lng\na,north,1\n", "cannot be read"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(LogError, match=says):
        places(tmp_path, text)


def test_holidays_are_those_of_the_column_as_far_as_there_is_one(tmp_path: Path) -> None:
    path = tmp_path / "regions.csv"
    path.write_text("region,lat,lng,Holidays\n7,50,5.5,DE-BY\n8,51,6,\n")
    assert read_region_holidays(path) == {"7": "DE-BY"}
    path.write_text("region,lat,lng\n7,50,5.5\n")
    assert read_region_holidays(path) == {}
