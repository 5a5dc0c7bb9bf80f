"""How `tidecast query` shows an answer."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from tidecast.streams.store import QueryResult, open_embedded
from tidecast.tools.main import run
from tidecast.tools.query import show_csv, show_json, show_table

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
RESULT = QueryResult(
    ("name", "time", "day", "mean", "n", "list", "none"),
    [
        (
            'a "[red]"\n',
            datetime(2024, 1, 1, 12, tzinfo=UTC),
            date(2024, 1, 1),
            0.5,
            7,
            [1.5],
            None,
        ),
        ("b", datetime(2024, 1, 2, tzinfo=UTC), date(2024, 1, 2), float("nan"), 8, [], None),
    ],
)


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    show_json(RESULT)
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first == {
        "name": 'a "[red]"\n',
        "time": "2024-01-01T12:00:00Z",
        "day": "2024-01-01",
        "mean": 0.5,
        "n": 7,
        "list": [1.5],
        "none": None,
    }
    assert second["mean"] is None


def test_csv_can_be_read_back(capsys: pytest.CaptureFixture[str]) -> None:
    show_csv(RESULT)
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows[0] == list(RESULT.columns)
    assert rows[1] == ['a "[red]"\n', "2024-01-01 12:00:00", "2024-01-01", "0.5", "7", "[1.5]", ""]
    assert len(rows) == 3


def test_a_table_shows_values_as_they_are_and_never_wraps_in_a_pipe(
    capsys: pytest.CaptureFixture[str],
) -> None:
    wide = QueryResult(("first", "second"), [("[bold]x[/bold]", "y" * 300)])
    show_table(wide)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert "[bold]x[/bold]" in lines[1]
    assert "y" * 300 in lines[1]


def test_the_embedded_store_answers_on_the_command_line(tmp_path: Path) -> None:
    open_embedded(tmp_path).close()
    command = [sys.executable, "-c", "from tidecast.tools.main import main; main()"]
    words = ["query", "--store", str(tmp_path), "--format", "csv"]
    done = subprocess.run(
        [*command, *words, "SELECT 1 AS one, 'x' AS two"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "one,two\n1,x\n", "")


def test_asking_a_folder_that_holds_no_store_makes_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["query", "--store", str(tmp_path), "SELECT 1"]) == 4
    assert "holds no store" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
