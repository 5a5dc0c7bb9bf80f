"""Which late events a stored bin holds already: told from its values, so that nothing is kept.

``tidecast late replay`` folds the late events of a bin in the order in which the late topic tells
of them. So a stored bin is the recount with the first few of them, and how few its values say.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tidecast.state.cells import Cell
from tidecast.state.settings import Settings
from tidecast.streams.recount.compare import differences, within_cells
from tidecast.streams.recount.cover import NEVER
from tidecast.streams.recount.sums import CELL, EVENTS, TOLD, figures_of

__all__ = ["Held", "held_steps", "with_late"]

BEFORE = -1  # where no late event is told of yet


class Held:
    """How many of the ``steps`` of late events a stored bin may hold; several where equal.

    ``odd`` is a cell that holds no number of them, where there is one.
    """

    def __init__(self, may_hold: NDArray[np.bool_], odd: Cell | None = None) -> None:
        self.steps = len(may_hold) - 1
        self.odd = odd
        self._counts = np.flatnonzero(may_hold)

    @property
    def is_known(self) -> bool:
        """Whether the bin is the recount with some, none or all of them."""
        return bool(len(self._counts))

    @property
    def is_whole(self) -> bool:
        """Whether the bin is the recount with all of them."""
        return self.is_known and int(self._counts[-1]) == self.steps

    @property
    def is_amended(self) -> bool:
        """Whether the bin is no recount without any of them, but one with some."""
        return self.is_known and int(self._counts[0]) > 0


def held_steps(
    settings: Settings,
    bin_: int,
    sums: pl.DataFrame,
    late: pl.DataFrame,
    found: pl.DataFrame,
    lacking: Collection[str] = (),
) -> Held:
    """Tell with how many of ``late``, in the order of TOLD, ``sums`` give what was ``found``.

    ``found`` has a row a cell and FIGURE.value of each of the `figures`, ``sums`` and ``late``
    those of the bin. Series ``lacking`` in the bin are not looked at.
    """
    sums, late = within_cells(sums, found), within_cells(late, found)
    times, cells = np.unique(late[TOLD].to_numpy()), late.select(CELL).unique()
    whole, stored = (frame.join(cells, on=CELL, how="anti") for frame in (sums, found))
    wrong_cells = differences(settings, "", bin_, whole, stored, lacking)
    if first := min(((d.region, d.category) for d in wrong_cells), default=None):
        return Held(np.zeros(len(times) + 1, np.bool_), Cell(*first))
    rows = _steps(sums, late, cells)
    agrees = _agrees(settings, rows, found, lacking)
    begins = np.searchsorted(times, rows[TOLD].to_numpy(), side="right")
    ends = np.searchsorted(times, rows[".until"].to_numpy(), side="right")
    ends[(rows[".until"] == NEVER).to_numpy()] = len(times) + 1
    wrong = np.zeros(len(times) + 2, np.int64)
    np.add.at(wrong, begins[~agrees], 1)
    np.add.at(wrong, ends[~agrees], -1)
    may_be = rows.filter(pl.Series(agrees)).select(CELL).unique()
    odd = cells.join(may_be, on=CELL, how="anti").sort(CELL)
    return Held(np.cumsum(wrong)[:-1] == 0, Cell(*odd.row(0)) if odd.height else None)


def with_late(sums: pl.DataFrame, late: pl.DataFrame) -> pl.DataFrame:
    """Return the sums of a bin with those of its late events."""
    both = pl.concat([sums, late.drop(TOLD)])
    return both.group_by("bin", *CELL).agg(pl.exclude("bin", *CELL).sum())


def _steps(sums: pl.DataFrame, late: pl.DataFrame, cells: pl.DataFrame) -> pl.DataFrame:
    """Return the sums of each cell, before its late events and after each; they hold .until."""
    names = [name for name in sums.columns if name not in ("bin", *CELL)]
    start = cells.join(sums, on=CELL, how="left").with_columns(
        pl.col(names).fill_null(0), pl.lit(BEFORE, pl.Int64).alias(TOLD)
    )
    rows = pl.concat([start, late], how="diagonal").sort(*CELL, TOLD)
    return rows.with_columns(
        pl.col(names).cum_sum().over(CELL),
        pl.col(TOLD).shift(-1, fill_value=NEVER).over(CELL).alias(".until"),
    )


def _agrees(
    settings: Settings, rows: pl.DataFrame, found: pl.DataFrame, lacking: Collection[str]
) -> NDArray[np.bool_]:
    """Tell which sums give the values that were found of their cell; no events: no cell."""
    there = found.with_columns(pl.lit(True).alias(".there"))
    both = rows.select(CELL).join(there, on=CELL, how="left", maintain_order="left")
    same = both[".there"].fill_null(False).to_numpy().copy()
    absent = ~same & (rows[EVENTS] == 0).to_numpy()
    for name, expected in figures_of(settings, rows, lacking).items():
        column = both.get_column(f"{name}.value")
        actual = column.fill_null(np.nan).to_numpy()
        equal = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
        same &= equal & column.is_not_null().to_numpy()
    agrees: NDArray[np.bool_] = same | absent
    return agrees
