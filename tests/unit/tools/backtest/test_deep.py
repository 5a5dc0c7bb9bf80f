"""``tidecast backtest --deep``: trained models take part, each once its data are past."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

pytest.importorskip("torch")

from deep_worlds import small_about, small_config, small_network

from tidecast.models.deep.folder import save_model
from tidecast.models.deep.history import Scales
from tidecast.models.deep.known import Unit
from tidecast.models.deep.model import Model
from tidecast.state.bins import HOUR, iso
from tidecast.state.cells import Cell
from tidecast.tools.main import run

START = 474_000 * HOUR
N_HOURS, N_SCORED, HORIZON = 96, 48, 3
REGIONS = ("north", "south")
VALUES = np.random.default_rng(5).poisson(9.0, (N_HOURS, 2))


@pytest.fixture
def sales(tmp_path: Path) -> Path:
    """Write four days of hourly sales in two regions."""
    rows = [
        {"time": iso(START + hour * HOUR), "region": region, "value": float(value)}
        for hour, of_hour in enumerate(VALUES)
        for region, value in zip(REGIONS, of_hour, strict=True)
    ]
    path = tmp_path / "sales.parquet"
    pl.DataFrame(rows).write_parquet(path)
    return path


def write_model(
    folder: Path, end_hour: int, seed: int = 3, future: tuple[Unit, ...] = (), **changes: Any
) -> Path:
    """Write an untrained model of data that end with so many hours."""
    shape = {"n_cells": 2, "n_series": 1, "n_future": 0, "n_static": 0, "horizon": HORIZON}
    config = small_config(**{**shape, **changes})
    about = small_about(series=("value",), last=iso(START + end_hour * HOUR), future=future)
    scales = Scales.of(VALUES[:, :, None].astype(np.float32))
    cells = tuple(Cell(region, "(all)") for region in REGIONS)
    save_model(folder, Model(small_network(config, seed), cells, scales, about), {})
    return folder


def backtest(sales: Path, *options: str) -> int:
    asked = ("--freq", "1h", "--horizon", str(HORIZON), "--score-last", str(N_SCORED))
    fewer = [text for name in ("trees", "pooled", "leading") for text in ("--without", name)]
    return run(["backtest", str(sales), *asked, *fewer, *options])


def of_cells(file: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Return figures of lead 1 by (expert, metric)."""
    found = json.loads(file.read_text())["scores"]
    at_one = (s for s in found if (s["level"], s["lead"]) == ("cell", 1))
    return {(s["expert"], s["metric"]): s for s in at_one}


def test_a_model_takes_part_from_the_end_of_its_data_on(
    sales: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, file, plain = write_model(tmp_path / "m", 60), tmp_path / "d.json", tmp_path / "p.json"
    options = ("--deep", str(model), "--leave-out", "deep", "--json", str(file))
    assert backtest(sales, *options) == 0
    said = capsys.readouterr()
    assert f"model m answers from {iso(START + 60 * HOUR)} on" in said.err
    assert "it knows 2 of the 2 cells" in said.err
    assert "12 of the scored bins lie within what all models know" in said.err
    assert "without deep" in said.out
    assert "without linear" not in said.out
    found = of_cells(file)
    assert found["seasonal_naive", "rmse"]["n"] == 2 * N_SCORED
    assert found["deep", "rmse"]["n"] == 2 * (N_HOURS - 60)
    assert backtest(sales, "--json", str(plain)) == 0
    without = found["without deep", "pinball"]["value"]
    alone = of_cells(plain)["tidecast", "pinball"]["value"]
    assert without == pytest.approx(alone, rel=1e-6)  # sums are of other arrays
    assert without != pytest.approx(found["tidecast", "pinball"]["value"], rel=1e-6)


def test_of_a_folder_of_models_each_answers_until_the_next_does(
    sales: Path, tmp_path: Path
) -> None:
    for name, end_hour, seed in (("first", 24, 3), ("second", 72, 4)):
        write_model(tmp_path / "models" / name, end_hour, seed)
    rmse = {}
    for name in (".", "first", "second"):
        file = tmp_path / f"{len(rmse)}.json"
        folder = tmp_path / "models" / name
        assert backtest(sales, "--deep", str(folder), "--json", str(file)) == 0
        rmse[name] = of_cells(file)["deep", "rmse"]
    assert [rmse[name]["n"] for name in (".", "first", "second")] == [96, 96, 48]
    assert len({score["value"] for score in rmse.values()}) == 3


def test_a_model_with_covariates_is_given_those_of_the_table(
    sales: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    promotion = Unit(name="promotion", mean=0.2, largest=1.0)
    model = write_model(tmp_path / "m", 30, future=(promotion,), n_future=1)
    assert backtest(sales, "--deep", str(model)) == 2
    assert "covariates that are not there live: promotion (known)" in capsys.readouterr().err
    rmse = []
    for every in (5, 7):
        file, table = tmp_path / f"{every}.json", tmp_path / f"{every}.parquet"
        told = (pl.int_range(pl.len()) % every == 0).cast(pl.Float64).alias("promotion")
        pl.read_parquet(sales).with_columns(told).write_parquet(table)
        options = ("--value", "value", "--future", "promotion", "--json", str(file))
        assert backtest(table, "--deep", str(model), *options) == 0
        rmse.append(of_cells(file)["deep", "rmse"]["value"])
    assert rmse[0] != pytest.approx(rmse[1], rel=1e-6)


def test_it_is_resumed_with_the_same_model_only(
    sales: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, other = (write_model(tmp_path / f"m{seed}", 30, seed) for seed in (3, 4))
    state = ("--resume", str(tmp_path / "state"))
    assert backtest(sales, "--deep", str(first), *state) == 0
    assert backtest(sales, "--deep", str(first), *state) == 0
    capsys.readouterr()
    for options in (("--deep", str(other)), ("--with", "deep")):
        assert backtest(sales, *options, *state) == 5
        assert "belongs to a backtest of other data or options" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("end_hour", "changes", "code", "says"),
    [
        (N_HOURS, {}, 2, "know all of the past"),
        (30, {"horizon": 2}, 2, "model m is refused: it was trained for a horizon of 2"),
        (30, {"n_static": 1}, 2, "covariates"),
        (None, {}, 5, "holds no whole model"),
    ],
)
def test_models_that_cannot_take_part_are_refused_with_the_reason(
    sales: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    end_hour: int | None,
    changes: dict[str, Any],
    code: int,
    says: str,
) -> None:
    folder = tmp_path / "m"
    if end_hour is None:
        folder.mkdir()
    else:
        write_model(folder, end_hour, **changes)
    assert backtest(sales, "--deep", str(folder)) == code
    assert says in capsys.readouterr().err
