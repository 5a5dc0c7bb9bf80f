"""Covariates of CSV tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tidecast.state.bins import HOUR
from tidecast.state.cells import Cell
from tidecast.state.covariate_file import read_covariates
from tidecast.state.covariates import ALWAYS
from tidecast.state.errors import SettingsError
from tidecast.state.settings import Settings, parse_settings

CELLS = [Cell("north", "toys"), Cell("south", "toys")]


def settings(folder: Path, text: str, **of: Any) -> Settings:
    (folder / "table.csv").write_text(text)
    tables = {
        "shop": {"time_zone": "Europe/Berlin"},
        "sources": [{"name": "clicks", "topic": "c", "stream": "click"}],
        "series": [{"name": "traffic", "stream": "click", "aggregate": "count"}],
        "covariates": [{"name": "promotion", "table": "table.csv", **of}],
    }
    return parse_settings(tables, folder=folder)


def test_rows_are_of_the_bin_that_their_local_time_lies_in(tmp_path: Path) -> None:
    text = "time,region,value,known_at\n2024-07-01T12:30,south,2,2024-06-30\n"
    (promotion,) = read_covariates(settings(tmp_path, text)).covariates
    noon = 1_719_828_000_000_000  # 10:00 UTC is 12:00 in Berlin's summer
    assert promotion.bins.tolist() == [noon // HOUR]
    assert promotion.known_at.tolist() == [1_719_698_400_000_000]
    assert promotion.keys == (("south", None),)
    assert promotion.values.tolist() == [2.0]


def test_a_static_covariate_needs_no_times(tmp_path: Path) -> None:
    text = "region,value\nsouth,250\n"
    (area,) = read_covariates(settings(tmp_path, text, kind="static")).of_kind("static").covariates
    assert (area.keys, area.values.tolist()) == ((("south", None),), [250.0])
    with pytest.raises(SettingsError, match=r"lacks the column\(s\) time"):
        read_covariates(settings(tmp_path, text, kind="past"))


def test_what_is_not_said_is_always_known_of_all_cells_and_else_missing(tmp_path: Path) -> None:
    text = "time,value\n2024-07-01T12:00Z,1\n2024-07-01T13:00Z,\n"
    table = read_covariates(settings(tmp_path, text))
    (promotion,) = table.covariates
    first = int(promotion.bins[0])
    assert promotion.known_at.tolist() == [ALWAYS] * 2
    found = table.at(range(first, first + 3), table.columns(CELLS), 0)[0]
    assert np.nan_to_num(found, nan=-1.0).tolist() == [[1.0, 1.0], [-1.0] * 2, [-1.0] * 2]
    table = read_covariates(settings(tmp_path, text, absent=0.0))
    assert table.at(range(first + 2, first + 3), table.columns(CELLS), 0).tolist() == [[[0, 0]]]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("time,region\n", r"lacks the column\(s\) value"),
        ("time,value\n2024-07-01,1\nyesterday,1\n", "line 3"),
        ("time,value\n2024-07-01,much\n", "line 2"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        read_covariates(settings(tmp_path, text))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    wanted = settings(tmp_path, "")
    (tmp_path / "table.csv").unlink()
    with pytest.raises(SettingsError, match=r"table\.csv' cannot be read"):
        read_covariates(wanted)


def test_the_fingerprint_knows_covariates_and_not_where_they_lie(tmp_path: Path) -> None:
    one, other = (settings(tmp_path, "", name=name) for name in ("promotion", "price"))
    assert one.fingerprint() != other.fingerprint()
    assert one.fingerprint() == settings(tmp_path, "", table="./table.csv").fingerprint()
