"""What is known of a covariate when a bin closes: the part of it that a forecast may use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidecast.state.bins import BinGrid
from tidecast.state.cells import Cell
from tidecast.state.covariates import FOREVER, CovariateTable, Kind

__all__ = ["Knowledge", "Known"]


@dataclass(frozen=True, eq=False)
class Known:
    """A covariate, as known at the end of a bin; NaN = missing.

    ``values``, (bin, column), of one known ahead are of the bin itself and of those after it; a
    static one has a single row. Cells share columns: ``columns`` (cell,) tells which is whose.
    """

    name: str
    kind: Kind
    values: NDArray[np.float64]
    columns: NDArray[np.int64]

    @property
    def of_cells(self) -> NDArray[np.float64]:
        """The values of every cell: (bin, cell)."""
        return self.values[:, self.columns]


@dataclass(frozen=True)
class Knowledge:
    """Tells what is known of the covariates of a table when a bin closes.

    That is of the bin, of ``horizon`` bins ahead, and what is static. What is told of the past
    alone is left out.
    """

    table: CovariateTable
    grid: BinGrid
    horizon: int

    def at(self, bin_: int, cells: Sequence[Cell]) -> tuple[Known, ...]:
        """Return what is known of ``cells`` at the end of a bin."""
        found = []
        bins, known_by = range(bin_, bin_ + 1 + self.horizon), self.grid.end(bin_)
        columns = self.table.columns(cells)  # (covariate, cell)
        for place, covariate in enumerate(self.table.covariates):
            if covariate.kind == "past":
                continue
            asked = range(FOREVER, FOREVER + 1) if covariate.kind == "static" else bins
            used, numbers = np.unique(columns[place], return_inverse=True)
            values = covariate.at(asked, known_by)[:, used]
            found.append(Known(covariate.name, covariate.kind, values, numbers))
        return tuple(found)
