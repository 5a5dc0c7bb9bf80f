"""What a backtest says of its table."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest

from tidecast.tools.backtest.notes import notes_of_guards
from tidecast.tools.backtest.plan import Asked, plan_table

DAY = [f"2025-03-30 {hour:02}:00,north,{hour}" for hour in range(24)]


def notes(folder: Path, *rows: str, timezone: str = "UTC") -> str:
    path = folder / "t.csv"
    path.write_text("\n".join(["time,region,value", *DAY, *rows]))
    return "\n".join(plan_table(path, Asked(freq="1h", timezone=timezone)).notes)


def test_a_plain_table_is_told_by_its_columns_cells_and_span(tmp_path: Path) -> None:
    assert notes(tmp_path).splitlines() == [
        "columns: time = time; value = value; region = region; no category",
        "1 cells; a row that is not there is a missing value (--absent says otherwise)",
        "from 2025-03-30 00:00 to 2025-03-31 00:00 (UTC)",
        "24 bins, of which the last 21 are scored",
    ]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([",north,1"], "1 rows are left out: they have no time"),
        (["2025-03-30 05:30,north,1", "2025-03-30 05:40,north,1"], "2 rows are of a bin and cell"),
        (["2025-03-30 05:30,south,", "2025-03-30 04:30,south,1"], "1 values are missing: empty"),
        (["2025-03-30 05:30,south,inf", "2025-03-30 04:30,south,1"], "1 values are missing: empty"),
        (["2025-03-30 05:30,,1"], "without a region or category count as (none)"),
        (["2025-03-30 05:30,south,-1"], "1 values are below 0"),
        (["2025-03-31 01:30,north,1"], "1 of 26 bins have no row at all"),
        (
            ["2025-03-31 01:30,north,1", "2099-01-01,north,1"],
            "the longest gap, of 646,534, ends 2099-01-01 00:00",
        ),
    ],
)
def test_rows_that_are_no_plain_value_are_told(tmp_path: Path, rows: list[str], says: str) -> None:
    assert re.search(re.escape(says), notes(tmp_path, *rows))


def test_bins_that_are_narrower_than_the_table_s_are_told(tmp_path: Path) -> None:
    path = tmp_path / "days.csv"
    rows = [f"2025-03-{day:02},{day}" for day in (1, 2, 3, 5, 6)]
    path.write_text("\n".join(["time,value", *rows]))
    said = [plan_table(path, Asked(freq=freq)).notes for freq in ("1D", "1h")]
    hints = [[note for note in notes if "is --freq too short?" in note] for notes in said]
    assert hints == [[], ["rows are 24 bins apart, or a multiple of it: is --freq too short?"]]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_dates_that_may_be_read_otherwise_are_told_with_a_way_out(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / f"t.{kind}"
    table = pl.DataFrame({"date": ["01/02/2024", "02/02/2024", "03/02/2024"], "value": [1, 2, 3]})
    table.write_parquet(path) if kind == "parquet" else table.write_csv(path)
    note = (
        "dates are read day first, 01/02/2024 as 2024-02-01: no number above 12 tells. "
        "Where the month comes first, write 2024-01-02"
    )
    said = plan_table(path, Asked(freq="1D")).notes
    assert note in said and "from 2024-02-01 00:00 to 2024-02-04 00:00 (UTC)" in said


@pytest.mark.parametrize("last", ["13/02/2024", "02/13/2024"])
def test_nothing_is_told_of_dates_of_which_one_tells(tmp_path: Path, last: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"date,value\n01/02/2024,1\n{last},2\n")
    assert "day first" not in "\n".join(plan_table(path, Asked(freq="1D")).notes)


def test_an_hour_that_the_clocks_skip_is_told(tmp_path: Path) -> None:
    said = notes(tmp_path, timezone="Europe/Madrid")
    assert "1 rows are left out: they have no time, or one that the clocks of Europe/Madrid" in said
    assert "23 bins" in said


def test_what_the_guards_did_is_told_of_each_series() -> None:
    calm = {"burst": 0, "shared_burst": 0, "outage": 0, "shift": 0}
    assert notes_of_guards({"sales": calm}, {"linear": 0}) == []
    assert notes_of_guards(
        {"sales": {**calm, "burst": 1_200, "outage": 3}, "views": {**calm, "shift": 2}},
        {"linear": 1, "pooled": 0},
    ) == [
        "sales: values taken 1,200 for bursts, 3 for outages were not learnt from",
        "views: 2 shifts of a level were believed",
        "began anew, having diverged: linear 1 times",
    ]
