"""Cells are numbered as they appear, up to a limit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tidecast.state.cells import OVERFLOW, Cell, CellIndex

cells_ = st.builds(Cell, st.sampled_from("abcde"), st.sampled_from("xyz"))


def test_cells_are_numbered_in_the_order_they_appear() -> None:
    index = CellIndex(10)
    numbers = [index.add(Cell(*pair)) for pair in ("nb", "sa", "nb", "na")]
    assert numbers == [0, 1, 0, 2]
    assert index.cells == [("n", "b"), ("s", "a"), ("n", "a")]


def test_cells_beyond_the_limit_share_the_overflow_cell_on_top_of_it() -> None:
    index = CellIndex(max_cells=2)
    numbers = [index.add(Cell("r", str(n))) for n in range(6)]
    assert numbers == [0, 1, 2, 2, 2, 2]
    assert index.cells[2] == OVERFLOW
    assert len(index) == 3


def test_known_cells_keep_their_numbers_after_an_overflow() -> None:
    index = CellIndex(max_cells=1)
    for n in range(5):
        index.add(Cell("r", str(n)))
    assert index.add(Cell("r", "0")) == 0


def test_an_overflow_cell_that_came_first_takes_nobodys_place() -> None:
    index = CellIndex(max_cells=1)
    assert index.add(OVERFLOW) == 0
    assert index.add(Cell("r", "0")) == 1
    assert index.add(Cell("r", "1")) == 0


@given(st.lists(cells_), st.integers(1, 20))
def test_the_numbering_never_exceeds_the_limit_and_can_be_rebuilt(
    seen: list[Cell], max_cells: int
) -> None:
    index = CellIndex(max_cells)
    numbers = [index.add(cell) for cell in seen]
    assert len(index) <= max_cells + 1
    rebuilt = CellIndex(max_cells, index.cells)
    assert [rebuilt.add(cell) for cell in seen] == numbers
