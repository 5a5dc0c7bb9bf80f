"""An explanation as people read it, and finding the cell that it is of."""

from __future__ import annotations

import numpy as np
import pytest

from tidecast.models.explain import Explanation
from tidecast.models.parts import PARTS
from tidecast.state.bins import HOUR, BinGrid
from tidecast.state.cells import ALL, Cell
from tidecast.state.errors import SettingsError
from tidecast.tools.explain.find import find_cell
from tidecast.tools.explain.told import Told

CELLS = [Cell(region, category) for region in ("north", "south") for category in ("hats", "shoes")]
LEVEL = [[10.0, 10.0], [0.02, 0.02]]
SEASON = [[2.5, -4.0], [-0.001, 0.0]]


def told() -> Told:
    parts = {name: np.zeros((2, 2)) for name in PARTS}
    parts |= {"level": np.array(LEVEL), "season": np.array(SEASON), "rest": np.full((2, 2), 1e-9)}
    mean = np.array(LEVEL) + np.array(SEASON)
    weights, said = {"tsb": np.ones((2, 2)), "trees": np.zeros((2, 2))}, {"tsb": mean}
    said["trees"] = np.full((2, 2), np.nan)
    explanation = Explanation(("demand", "hours"), 480_000, mean, parts, weights, said)
    return Told(CELLS[0], explanation, BinGrid(HOUR, "Europe/Berlin"))


def test_a_table_shows_the_parts_that_are_there_in_local_time() -> None:
    heads, rows = told().rows("demand")
    assert heads == ["lead", "until", "mean", "level", "season"]
    assert rows[0] == ["1", "2024-10-04 04:00", "12.50", "+10.00", "+2.50"]
    assert rows[1] == ["2", "2024-10-04 05:00", "6.00", "+10.00", "-4.00"]


def test_small_figures_have_more_decimals() -> None:
    assert told().rows("hours")[1][0][2:] == ["0.01900", "+0.02000", "-0.00100"]


def test_json_holds_every_part_and_what_experts_say() -> None:
    found = told().to_json(["demand"])
    assert (found["region"], found["category"]) == ("north", "hats")
    assert found["origin"] == "2024-10-04T01:00:00Z"
    assert found["valid_time"] == ["2024-10-04T02:00:00Z", "2024-10-04T03:00:00Z"]
    series = found["series"]
    assert list(series) == ["demand"]
    assert tuple(series["demand"]["parts"]) == PARTS
    assert series["demand"]["mean"] == [12.5, 6.0]
    assert series["demand"]["experts"]["trees"] == {"weight": [0.0, 0.0], "mean": [None, None]}


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("south/hats", Cell("south", "hats")),
        ("south", Cell("south", ALL)),
        ("(all)/hats", Cell(ALL, "hats")),
        ("(all)", Cell(ALL, ALL)),
    ],
)
def test_cells_and_their_sums_are_found_by_name(name: str, cell: Cell) -> None:
    assert find_cell(name, CELLS) == cell


def test_regions_without_categories_are_called_by_their_name_alone() -> None:
    assert find_cell("east", [Cell("east", ALL), Cell("west", ALL)]) == Cell("east", ALL)


def test_a_cell_that_is_not_there_is_refused_with_those_most_alike() -> None:
    with pytest.raises(SettingsError, match=r"'nord/shoes'; of 9 cells and sums .*: north/shoes, "):
        find_cell("nord/shoes", CELLS)
    with pytest.raises(SettingsError, match=r"some: \(all\), \(all\)/hats, "):  # nothing is alike
        find_cell("??", CELLS)
    with pytest.raises(SettingsError, match="nothing was forecast yet"):
        find_cell("nord/shoes", [])
