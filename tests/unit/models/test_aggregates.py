"""Regions, categories and the total."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tidecast.models.aggregates import Hierarchy
from tidecast.state.cells import ALL, Cell

GRID = [Cell(region, category) for region in "abc" for category in ("x", "y")]
TOTAL = Cell(ALL, ALL)
some_cells = st.lists(
    st.tuples(st.sampled_from("abcde"), st.sampled_from("wxyz")), max_size=15, unique=True
).map(lambda pairs: [Cell(*pair) for pair in pairs])


def hierarchy(cells: list[Cell]) -> Hierarchy:
    found = Hierarchy()
    found.see(cells)
    return found


def summing(nodes: list[Cell], cells: list[Cell]) -> NDArray[np.float64]:
    """Return the summing matrix, (node, cell), by its definition."""
    return np.array(
        [
            [node.region in (ALL, c.region) and node.category in (ALL, c.category) for c in cells]
            for node in nodes
        ],
        float,
    ).reshape(len(nodes), len(cells))


def test_a_grid_has_regions_categories_and_a_total() -> None:
    nodes = [tuple(node) for node in hierarchy(GRID).nodes]
    regions, categories = [(name, ALL) for name in "abc"], [(ALL, name) for name in ("x", "y")]
    assert sorted(nodes) == sorted([(ALL, ALL), *regions, *categories])


def test_a_level_that_says_nothing_new_is_not_there() -> None:
    assert hierarchy([]).nodes == []
    assert hierarchy(GRID[:1]).nodes == []
    assert hierarchy([Cell(name, "x") for name in "abc"]).nodes == [TOTAL]
    assert hierarchy([Cell("a", name) for name in "xyz"]).nodes == [TOTAL]


@given(cells=some_cells, cut=st.integers(0, 15))
def test_nodes_stay_when_cells_are_added_and_do_not_depend_on_when(
    cells: list[Cell], cut: int
) -> None:
    grown = hierarchy(cells[:cut])
    before = list(grown.nodes)
    grown.see(cells)
    assert grown.nodes[: len(before)] == before
    assert grown.nodes == hierarchy(cells).nodes
    values = np.arange(len(cells) * 2.0).reshape(-1, 2)
    assert np.array_equal(grown.sums(values), hierarchy(cells).sums(values))


@given(cells=some_cells)
def test_sums_and_spreads_are_those_of_the_summing_matrix(cells: list[Cell]) -> None:
    found = hierarchy(cells)
    matrix = summing(found.nodes, cells)
    values = np.random.default_rng(0).integers(0, 99, (len(cells), 2, 3)).astype(float)
    sums = np.einsum("nc,csh->nsh", matrix, values)
    assert np.array_equal(found.sums(values), sums)
    assert np.array_equal(found.spread(sums), np.einsum("nc,nsh->csh", matrix, sums))


def test_a_missing_cell_is_not_zero_but_what_was_expected_of_it() -> None:
    cells = [Cell("a", "x"), Cell("b", "x"), Cell("c", "x")]
    expected = np.array([[8.0], [50.0], [42.0]])
    values = np.array([[np.nan], [60.0], [40.0]])
    assert hierarchy(cells).observed(values, expected).tolist() == [[108.0]]


def test_a_sum_of_which_much_is_missing_is_missing() -> None:
    cells = [Cell("a", "x"), Cell("b", "x"), Cell("c", "x")]
    found = hierarchy(cells)
    expected = np.array([[8.0], [50.0], [42.0]])
    assert np.isnan(found.observed(np.array([[8.0], [np.nan], [40.0]]), expected)).all()
    assert np.isnan(found.observed(np.full((3, 1), np.nan), np.zeros((3, 1)))).all()
    known = np.array([[1.0], [0.0], [2.0]])
    assert found.observed(known, np.zeros((3, 1))).tolist() == [[3.0]]
