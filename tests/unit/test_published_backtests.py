"""The page of published backtests (docs/results/backtests.py) holds what the runs found."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from runpy import run_path
from typing import Any

import pytest

SCRIPT = run_path(str(Path(__file__).parents[2] / "docs" / "results" / "backtests.py"))
TABLES = Path("somewhere") / "tables"
RUN = {"first": "2024-01-01T", "last": "2024-03-01T", "scored_from": "2024-02-01T", "seconds": 61.2}


def scores(*experts: str) -> list[dict[str, Any]]:
    return [
        {"expert": expert, "level": level, "lead": None, "metric": metric, "value": 0.125}
        for expert in experts
        for level, metrics in (("cell", SCRIPT["METRICS"]), ("total", ("wape",)))
        for metric in metrics
    ]


def section(own: Iterable[str], beside: Iterable[str], **peer: Any) -> str:
    peers = [{"peer": "AutoETS", "stopped": None, **peer}]
    beside_them = {"cells": [["a", ""]], "scores": scores(*beside), "peers": peers}
    found = {"run": RUN, "scores": scores(*own), "peers": beside_them}
    return str(SCRIPT["section"](SCRIPT["RUNS"][0], TABLES, found))


def test_a_section_has_its_command_and_a_row_of_each_expert() -> None:
    page = section(["tidecast", "without linear"], ["tidecast", "AutoETS"])
    assert "$ tidecast backtest retail.parquet --freq 1D --horizon 14 --timezone Eur" in page
    assert "2024-01-01 to 2024-03-01, scored from 2024-02-01 on; 61 seconds." in page
    row = "0.125 | 0.125 | 12.5% | 0.125 | 12.5% | 12.5% | 0.125 | 0.125 | 12.5% |"
    own, beside = page.split("Beside peers, on 1 cells:")
    assert own.count(row) == beside.count(row) == 2
    assert f"| without linear | {row}" in own
    assert f"| AutoETS | {row}" in beside


def test_peers_on_all_cells_stand_in_the_same_table() -> None:
    page = section(["tidecast", "AutoETS"], ["tidecast", "AutoETS"])
    assert "Beside peers" not in page
    assert page.count("| AutoETS |") == 1


def test_a_peer_that_stopped_is_told() -> None:
    assert section(["tidecast"], ["tidecast"], stopped="timed out").endswith("AutoETS timed out.")


@pytest.mark.parametrize("run", SCRIPT["RUNS"], ids=lambda run: run.table)
def test_every_run_is_of_a_table_that_is_made(run: Any) -> None:
    made = (Path(__file__).parents[2] / "docs" / "examples" / "tables.py").read_text("utf-8")
    assert f'"{run.table}"' in made
