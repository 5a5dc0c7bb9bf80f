"""The benchmark of cells that appear mid-way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tidecast.models.forecaster import Forecaster
from tidecast.models.profile import ForecastProfile
from tidecast.state.bins import HOUR, BinGrid
from tidecast.state.cells import Cell
from tidecast.tools.bench.bursts_course import Course
from tidecast.tools.bench.newcomers import newcomers
from tidecast.tools.bench.newcomers_run import Arrivals, Said, said_of_newcomers


def course(n_bins: int = 144, n_cells: int = 8) -> Course:
    means = 20.0 * (1.0 + np.sin(np.arange(n_bins) * 2 * np.pi / 24))[:, None]
    values = np.random.default_rng(0).poisson(means * np.ones(n_cells)).astype(np.float64)
    profile = ForecastProfile(
        ("demand",), BinGrid(HOUR), 7, (0.1, 0.5, 0.9), (6, 24), ("time_of_week",)
    )
    return Course(profile, 480_000, values, [Cell(f"r{n}", "x") for n in range(n_cells)], {})


def test_a_quarter_of_the_cells_appears_mid_way_with_a_value() -> None:
    before = course()
    arrivals = Arrivals.of(before)
    assert arrivals.n_before == 6
    assert (np.diff(arrivals.at) >= 0).all()
    assert arrivals.at[0] >= 72
    for cell, at in zip((6, 7), arrivals.at, strict=True):
        assert arrivals.course.values[at, cell] > 0
    assert sorted(arrivals.course.cells) == sorted(before.cells)


def test_columns_stay_with_their_cells() -> None:
    before = course()
    after = Arrivals.of(before).course
    for place, cell in enumerate(after.cells):
        own = before.values[: len(after.values), before.cells.index(cell)]
        assert (after.values[:, place] == own).all()


def test_early_bins_are_those_that_a_cell_could_be_forecast_at() -> None:
    arrivals = replace(Arrivals.of(course()), at=np.array([50, 60]))
    assert arrivals.young(50, 1).tolist() == []
    assert arrivals.young(51, 1).tolist() == [6]
    assert arrivals.young(66, 7).tolist() == [6]
    assert arrivals.young(67, 7).tolist() == [6, 7]
    assert arrivals.young(74, 1).tolist() == [7]


def test_figures_are_of_the_leads_asked_for() -> None:
    quantiles = np.array([[1.0, 2.0, 3.0], [4.0, 6.0, 9.0]])
    said = Said((0.1, 0.5, 0.9), np.array([1, 6]), np.array([2.0, 10.0]), quantiles)
    assert said.wape(range(1, 2)) == 0.0
    assert said.wape(range(6, 13)) == pytest.approx(0.4)
    assert said.coverage(range(1, 2), 0.1, 0.9) == 1.0
    assert said.coverage(range(6, 13), 0.1, 0.9) == 0.0


def test_kin_help_a_newcomer() -> None:
    arrivals = Arrivals.of(course())
    wape = {}
    for has_kin in (False, True):
        profile = replace(arrivals.course.profile, has_kin=has_kin)
        said = said_of_newcomers(Forecaster(profile), arrivals, arrivals.at)
        wape[has_kin] = said.wape(range(6, 8))
    assert wape[True] < 0.7 * wape[False]


def test_a_table_of_one_cell_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "one.csv"
    rows = [f"{1_700_000_000 + 86_400 * n},north,{n % 7}" for n in range(70)]
    path.write_text("\n".join(["time,region,value", *rows]) + "\n")
    result = CliRunner().invoke(newcomers, [str(path), "--freq", "1D", "--horizon", "2"])
    assert "one cell only" in str(result.exception)
