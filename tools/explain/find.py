"""Finding a cell by what a person calls it."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from tidecast.models.aggregates import Hierarchy
from tidecast.state.cells import ALL, Cell
from tidecast.state.errors import SettingsError

__all__ = ["find_cell", "name_of"]

MOST_NAMED = 8
ALIKE = 0.3
"""Share of letters that two names have in common at least: below it nobody has mistyped one."""


def name_of(cell: Cell) -> str:
    """Return how a cell, or a sum of cells, is called: REGION/CATEGORY, or REGION alone.

    Examples
    --------
    >>> name_of(Cell("north", "shoes")), name_of(Cell("north", ALL)), name_of(Cell(ALL, "shoes"))
    ('north/shoes', 'north', '(all)/shoes')
    """
    return cell.region if cell.category == ALL else "/".join(cell)


def find_cell(name: str, cells: Sequence[Cell]) -> Cell:
    """Return the cell, or the sum of ``cells``, of a name; see `name_of`.

    Raises
    ------
    SettingsError
        When there is none; some that there are, are named.
    """
    hierarchy = Hierarchy()
    hierarchy.see(cells)
    known = {name_of(cell): cell for cell in (*hierarchy.nodes, *cells)}
    if name in known:
        return known[name]
    if not known:
        raise SettingsError(f"there is no cell {name!r}: nothing was forecast yet")
    some = get_close_matches(name, known, MOST_NAMED, cutoff=ALIKE) or sorted(known)[:MOST_NAMED]
    raise SettingsError(
        f"there is no cell {name!r}; of {len(known):,} cells and sums here are some: "
        f"{', '.join(some)}"
    )
