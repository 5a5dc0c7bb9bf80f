"""The benchmark of bursts, dead feeds and shifts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tidecast.models.profile import ForecastProfile
from tidecast.state.bins import HOUR, BinGrid
from tidecast.state.cells import Cell
from tidecast.state.errors import TidecastError
from tidecast.tools.bench.bursts import table_course
from tidecast.tools.bench.bursts_course import MISHAPS, Course, made_up_course
from tidecast.tools.bench.bursts_run import Outcome, Runner

OF = {mishap.name: mishap for mishap in MISHAPS}


def course(n_bins: int = 90) -> Course:
    values = np.random.default_rng(0).poisson([1.0, 9.0, 4.0], (n_bins, 3)).astype(np.float64)
    profile = ForecastProfile(("demand",), BinGrid(HOUR), 3, (0.1, 0.5, 0.9), (6,))
    return Course(profile, 480_000, values, [Cell(f"region {n}", "x") for n in range(3)], {})


def befallen(name: str) -> list[tuple[int, int]]:
    """Return the bins, counted from the mishap's, and cells that it changes."""
    before = course()
    after = OF[name].befall(before, before.mishap_at)
    changed = np.argwhere(~np.isclose(after.values, before.values, equal_nan=True))
    return [(int(bin_) - before.mishap_at, int(cell)) for bin_, cell in changed]


def test_a_mishap_befalls_its_bins_and_cells_only() -> None:
    assert befallen("1 bin x 50, largest cell") == [(0, 1)]
    assert befallen("1 bin x 50, median cell") == [(0, 2)]
    assert befallen("3 bins x 15, everywhere") == [(n, c) for n in range(3) for c in range(3)]
    assert {n for n, _ in befallen("24 bins missing, everywhere")} == set(range(24))
    assert max(n for n, _ in befallen("level x 3 for good, everywhere")) == 6 * 3 + 23


def test_a_factor_is_of_the_mean_where_the_value_is_less() -> None:
    before = course()
    before.values[before.mishap_at] = 0.0
    after = OF["3 bins x 15, everywhere"].befall(before, before.mishap_at)
    mean = before.values[: before.mishap_at].mean(axis=0)
    assert after.values[before.mishap_at] == pytest.approx(15.0 * mean)


def test_what_changes_nothing_leaves_no_trace() -> None:
    outcome = Runner(course()).outcome(OF["1 bin NaN and infinite, everywhere"])
    assert outcome.not_finite == 0
    assert outcome.others is None
    assert outcome.later == pytest.approx(1.0, abs=0.05)


def test_a_shift_is_held_against_a_run_that_was_always_so() -> None:
    outcome = Runner(course()).outcome(OF["level x 3 for good, everywhere"])
    assert 0.9 < outcome.later < outcome.soon


def test_other_cells_are_held_against_the_undisturbed_run() -> None:
    outcome = Runner(course()).outcome(OF["24 bins of zero, largest cell"])
    assert outcome.others is not None
    assert outcome.others == pytest.approx(1.0, abs=0.2)
    assert outcome.others != 1.0


def test_mishaps_come_at_several_places_where_seasons_are_short() -> None:
    days = course(300)
    stretches = days.stretches
    places = [stretch.mishap_at for stretch in stretches]
    assert places == [258, 216, 174]
    assert all(
        (stretch.values == days.values[: at + 42]).all()
        for stretch, at in zip(stretches, places, strict=True)
    )


def test_mishaps_come_once_where_a_season_is_long_or_the_course_is_short() -> None:
    long = replace(course(400).profile, season_lengths=(40,))
    assert len(replace(course(400), profile=long).stretches) == 1
    assert [len(stretch.values) for stretch in course(90).stretches] == [90]


def test_an_outcome_is_the_mean_of_those_at_several_places() -> None:
    one = Outcome("a shift", 2.0, 1.0, 1.2, None, 0)
    assert Outcome.mean([one]) == one
    other = Outcome("a shift", 4.0, 2.0, 1.4, 1.5, 3)
    assert Outcome.mean([one, other]) == Outcome("a shift", 3.0, 1.5, pytest.approx(1.3), 1.5, 3)


def test_the_made_up_shop_is_the_same_every_time() -> None:
    one, other = made_up_course(1, 2, (0.5,)), made_up_course(1, 2, (0.5,))
    assert (one.values == other.values).all()
    assert one.values.shape == (168, 48)


def write(path: Path, n_bins: int) -> Path:
    rows = [f"{1_700_000_000 + 86_400 * n},north,{n % 7}" for n in range(n_bins)]
    path.write_text("\n".join(["time,region,value", *rows]) + "\n")
    return path


def test_a_table_gives_its_bins(tmp_path: Path) -> None:
    found = table_course(write(tmp_path / "long.csv", 70), "1D", 2)
    assert found.values.shape == (70, 1)
    assert found.values[:8, 0].tolist() == [0, 1, 2, 3, 4, 5, 6, 0]
    assert found.season == 7


def test_a_table_that_is_too_short_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TidecastError, match="has 58 bins: 59 are needed"):
        table_course(write(tmp_path / "short.csv", 58), "1D", 2)
