"""Peers of ``tidecast backtest``: processes that can be ended, and what is told of them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from rivals import Crashing, Last, Stalling

from tidecast.models.peers import catalogue
from tidecast.models.peers.peer import PeerStopped
from tidecast.state.bins import HOUR, iso
from tidecast.tools.backtest import peers
from tidecast.tools.backtest.peer_process import PeerProcess
from tidecast.tools.main import run

START = 474_000 * HOUR
VALUES = np.arange(6.0).reshape(3, 2)


@pytest.fixture(scope="module")
def answering() -> Iterator[PeerProcess]:
    process = PeerProcess("last", Last)
    process.fit(VALUES, within=60.0)
    yield process
    process.close()


def test_a_process_answers_as_its_peer_does(answering: PeerProcess) -> None:
    here = Last()
    here.fit(VALUES)
    said = answering.forecast(VALUES[:1] + 9.0, within=60.0)
    assert said.tolist() == here.forecast(VALUES[:1] + 9.0).tolist()


def test_what_takes_too_long_is_ended() -> None:
    process = PeerProcess("stalling", Stalling)
    process.fit(VALUES, within=60.0)
    begun = time.monotonic()
    with pytest.raises(PeerStopped, match="timed out"):
        process.fit(VALUES, within=0.2)
    assert time.monotonic() - begun < 30
    assert not process.is_alive


def test_a_process_that_dies_is_told() -> None:
    process = PeerProcess("crashing", Crashing)
    process.fit(VALUES, within=60.0)
    with pytest.raises(PeerStopped, match="ended by itself"):
        process.forecast(VALUES, within=60.0)


@pytest.fixture
def sales(tmp_path: Path) -> Path:
    """Write sixty days of sales in six regions."""
    random = np.random.default_rng(5)
    rows = [
        {
            "time": iso(START + day * 24 * HOUR),
            "region": f"region {number}",
            "value": float(random.poisson(5 + 4 * (day % 7 == 5))),
        }
        for day in range(60)
        for number in range(6)
    ]
    path = tmp_path / "sales.parquet"
    pl.DataFrame(rows).write_parquet(path)
    return path


@pytest.fixture
def only_lightgbm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let only the peer run that needs no extra."""
    monkeypatch.setattr(peers, "PEERS", ("LightGBM",))
    monkeypatch.setattr(peers, "check_installed", lambda: None)


def backtest(sales: Path, *options: str) -> int:
    return run(["backtest", str(sales), "--freq", "1D", "--horizon", "3", *options])


def found(file: Path) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads(file.read_text())
    return figures


@pytest.mark.usefixtures("only_lightgbm")
def test_a_sample_is_scored_beside_the_blend(
    sales: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--score-last", "10", "--peers", "--peer-cells", "2")
    files = [tmp_path / "one.json", tmp_path / "other.json"]
    for file in files:
        assert backtest(sales, *options, "--json", str(file)) == 0
    assert "beside peers, the same 2 of 6 cells" in capsys.readouterr().out
    one, other = (found(file)["peers"] for file in files)
    assert len(one["cells"]) == 2
    assert one["cells"] == other["cells"]
    assert one["scores"] == other["scores"]
    n = {s["expert"]: s["n"] for s in one["scores"]
         if (s["level"], s["lead"], s["metric"]) == ("cell", None, "pinball")}  # fmt: skip
    assert n["LightGBM"] == n["tidecast"] == n["linear"] == 2 * 3 * 10
    assert "LightGBM" not in {score["expert"] for score in found(files[0])["scores"]}
    assert one["peers"][0]["stopped"] is None


@pytest.mark.usefixtures("only_lightgbm")
def test_on_all_cells_peers_stand_among_the_scores(sales: Path, tmp_path: Path) -> None:
    file = tmp_path / "scores.json"
    assert backtest(sales, "--score-last", "10", "--peers", "--json", str(file)) == 0
    scores = found(file)["scores"]
    assert {"tidecast", "LightGBM"} <= {score["expert"] for score in scores}
    keys = [tuple(score[k] for k in ("series", "level", "expert", "lead", "metric"))
            for score in scores]  # fmt: skip
    assert len(set(keys)) == len(keys)


@pytest.mark.usefixtures("only_lightgbm")
def test_the_page_tells_how_peers_did(sales: Path, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    options = ("--score-last", "10", "--peers", "--peer-cells", "2", "--html", str(file))
    assert backtest(sales, *options) == 0
    page = file.read_text(encoding="utf-8")
    section = page[page.index("<h2>value: beside peers, the same 2 of 6 cells, all leads</h2>") :]
    section = section[: section.index("</table>")]
    for name in ("tidecast", "linear", "LightGBM"):
        assert re.search(rf"<th[^>]*>{name}</th>", section)


@pytest.mark.usefixtures("only_lightgbm")
def test_a_time_out_is_told_by_name(
    sales: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, page = tmp_path / "scores.json", tmp_path / "page.html"
    options = ("--score-last", "10", "--peers", "--peer-seconds", "0.01", "--json", str(file))
    assert backtest(sales, *options, "--html", str(page)) == 0
    told = "LightGBM timed out after 0 s, at 2024-03-15T00:00:00Z: it has no figures"
    assert told in capsys.readouterr().err
    assert told in page.read_text(encoding="utf-8")
    peer = found(file)["peers"]["peers"][0]
    assert (peer["peer"], peer["stopped"]) == ("LightGBM", "timed out")
    assert "LightGBM" not in {score["expert"] for score in found(file)["peers"]["scores"]}


@pytest.mark.usefixtures("only_lightgbm")
def test_a_state_that_is_resumed_gives_the_same_figures(sales: Path, tmp_path: Path) -> None:
    files = [tmp_path / "one.json", tmp_path / "other.json"]
    options = ["--score-last", "4", "--peers", "--resume", str(tmp_path / "state")]
    for file in files:
        assert backtest(sales, *options, "--json", str(file)) == 0
    one, other = (found(file)["peers"] for file in files)
    assert one["scores"] == other["scores"]
    assert one["peers"][0]["fits"] == other["peers"][0]["fits"] > 0
    assert backtest(sales, *options, "--peer-seed", "3", "--peer-cells", "2") == 5


def test_what_to_install_is_told(
    sales: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(catalogue, "find_spec", lambda name: None)
    assert backtest(sales, "--peers") == 2
    assert 'pip install "tidecast[peers]"' in capsys.readouterr().err
