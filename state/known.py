"""What is known of a covariate when a bin closes: the part of it that a forecast may use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidecast.state.cells import Cell
from tidecast.state.covariates import FOREVER, CovariateTable, Kind

__all__ = ["Known", "known_of"]


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


def known_of(
    table: CovariateTable, bins: range, cells: Sequence[Cell], known_by: int
) -> tuple[Known, ...]:
    """Return what is known of ``bins``, and of what is static, at an instant in microseconds.

    Covariates that are told of the past are left out.
    """
    found = []
    columns = table.columns(cells)  # (covariate, cell)
    for place, covariate in enumerate(table.covariates):
        if covariate.kind == "past":
            continue
        asked = range(FOREVER, FOREVER + 1) if covariate.kind == "static" else bins
        used, numbers = np.unique(columns[place], return_inverse=True)
        values = covariate.at(asked, known_by)[:, used]
        found.append(Known(covariate.name, covariate.kind, values, numbers))
    return tuple(found)
