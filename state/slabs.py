"""Slabs: the merged values of all cells and series for one closed bin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidecast.state.cells import Cell

__all__ = ["LateBins", "Slab"]


@dataclass(frozen=True)
class Slab:
    """One closed bin: ``values`` (cell, series), NaN where a mean or ratio has nothing.

    ``events`` counts what is in it. A ``revision`` above 0 replaces an earlier slab of the bin.
    Where ``censored``, (cell, series), less came than was wanted (sold out, closed, not delivered):
    the value is the least that demand was. None = nowhere. ``counts``, (cell, series), tell how
    much a mean or ratio is of, NaN of other series; None = not known.
    """

    bin: int
    values: NDArray[np.float64]
    events: int = 0
    revision: int = 0
    censored: NDArray[np.bool_] | None = None
    counts: NDArray[np.float64] | None = None

    @property
    def demand(self) -> NDArray[np.float64]:
        """The values that are known to be all that was wanted, NaN where censored."""
        return (
            self.values if self.censored is None else np.where(self.censored, np.nan, self.values)
        )


@dataclass(frozen=True)
class LateBins:
    """Events of a source partition that no slab takes any more, for their bin is too long closed.

    The partition was idle or stopped meanwhile, or the bin belongs to the log of a warm-up.
    ``upto`` is the source offset at which they became known; ``events`` counts those not told of
    before; ``cells`` are all of which the partition has an event in the bin.
    """

    source: str
    partition: int
    bin: int
    upto: int
    events: int
    cells: tuple[Cell, ...]
