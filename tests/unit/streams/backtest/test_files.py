"""Files of long tables, as people write them."""

from __future__ import annotations

import gzip
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from tidecast.state.bins import HOUR, BinGrid
from tidecast.state.errors import LogError
from tidecast.streams.backtest.columns import find_columns
from tidecast.streams.backtest.files import open_table, why
from tidecast.streams.backtest.table import read_table

LINES = ["time,region,value", "2024-03-01 10:00,Łódź,1.5", "2024-03-01 11:00,Łódź,2"]
PLAIN = "\n".join(LINES)
SEMICOLONS = PLAIN.replace(",", ";")


def rows(path: Path) -> list[tuple[object, ...]]:
    return open_table(path).collect().rows()


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.replace("\n", "\r\n"),
        "\ufeff" + PLAIN,
        SEMICOLONS,
        SEMICOLONS.replace("1.5", "1,5"),
        "\ufeff" + SEMICOLONS.replace("1.5", "1,5"),
        "sep=;\r\n" + SEMICOLONS.replace("\n", "\r\n"),
        "\ufeffsep=;\n" + SEMICOLONS.replace("1.5", "1,5"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", "|"),
    ],
)
@pytest.mark.parametrize("is_packed", [False, True])
def test_a_csv_is_read_however_its_fields_are_parted(
    tmp_path: Path, text: str, is_packed: bool
) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(gzip.compress(text.encode()) if is_packed else text.encode())
    eleven = datetime(2024, 3, 1, 11)  # noqa: DTZ001
    assert rows(path) == [(eleven.replace(hour=10), "Łódź", 1.5), (eleven, "Łódź", 2.0)]


def test_an_empty_text_is_a_missing_value(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('"day","value"\n"2024-03-01",""\n"2024-03-02","2"\n')
    assert open_table(path).collect()["value"].to_list() == [None, 2]


@pytest.mark.parametrize("offset", ["Z", "+00:00", " +0000", " UTC"])
def test_times_may_carry_an_offset_as_databases_write_them(tmp_path: Path, offset: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"time,value\n2024-03-01 10:00:00{offset},1\n2024-03-01 11:00:00{offset},2\n")
    frame = open_table(path)
    table = read_table(frame, find_columns(frame.collect_schema()), BinGrid("day", "Asia/Tokyo"))
    assert table.bins.tolist() == [19783] and table.values.tolist() == [[3.0]]


def test_points_stay_decimal_points_beside_semicolons(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("time;value;note\n2024-03-01;1.5;1,5\n2024-03-02;2.5;none")
    assert open_table(path).collect()["value"].to_list() == [1.5, 2.5]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"PAR1 and nothing else", "neither Parquet nor CSV"),
        (PLAIN.encode("utf-16"), "neither Parquet nor CSV.*UTF-8"),
        (b"PK\x03\x04\x14\x00\x06\x00", "neither Parquet nor CSV.*save it as CSV"),
        (b"", "empty CSV"),
        (b"time,region,value\n", "has no rows"),
        (
            b'{"event_time": "2024-03-01T10:00:00Z"}\n',
            "holds JSON.*an event log is read by settings",
        ),
    ],
)
def test_what_is_no_table_is_told_with_a_remedy(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "table"
    path.write_bytes(content)
    with pytest.raises(LogError, match=says) as caught:
        open_table(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (PLAIN + "\n2024-03-01 12:00,Łódź,3,4", "more fields than the header"),
        (PLAIN + "\n2024-03-01 12:00,Łódź,n/a", "a missing one is an empty field"),
        (PLAIN + '\n2024-03-01 12:00,Łódź,"1,000"', r"digits are not grouped \(1,000\)"),
        (
            "\n".join([LINES[0], "01.03.2024 09:00,Łódź,3", *LINES[1:]]),
            "column 'time' holds texts such as '2024-03-01 10:00', .*written unlike the others",
        ),
        (PLAIN.replace("Łódź", "\udca3d"), "save it as UTF-8"),
    ],
)
def test_damage_is_one_sentence_with_a_remedy(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(LogError, match=says) as caught:
        frame = open_table(path)
        columns = find_columns(frame.collect_schema(), values=["value"])
        read_table(frame, columns, BinGrid(HOUR))
    assert "\n" not in str(caught.value)


def test_what_turns_up_late_in_a_large_file_has_a_remedy_too() -> None:
    late = pl.exceptions.ComputeError("could not parse `01.03.2024` as dtype `date`\n\nYou might")
    assert why(late) == "could not parse `01.03.2024` as dtype `date`: write all of a column alike"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LogError, match=r"no table .*gone\.parquet"):
        open_table(tmp_path / "gone.parquet")


def test_a_folder_is_told_from_a_table_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="is a folder: name a table in it"):
        open_table(tmp_path)


def test_parquet_is_known_by_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    pl.DataFrame({"value": [1.0]}).write_parquet(path)
    assert rows(path) == [(1.0,)]
