"""Decoded events: what the decoder hands to a source partition's fold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Events", "Refusal"]


@dataclass(frozen=True)
class Events:
    """The valid records of one batch of a source partition, in offset order.

    ``index`` is the place in the batch, ``time`` microseconds UTC, ``cell`` the number in the
    partition's own cell index, ``terms`` the (record, term) fixed-point addends. ``ids`` are hashes
    of the events' ids, 0 where there is none; None where the source is not de-duplicated.
    """

    index: NDArray[np.int64]
    time: NDArray[np.int64]
    cell: NDArray[np.int32]
    terms: NDArray[np.int64]
    ids: NDArray[np.uint64] | None = None

    def __len__(self) -> int:
        return len(self.index)

    def part(self, rows: slice | NDArray[np.bool_], first: int = 0) -> Events:
        """Return some of the events; places in the batch are counted from ``first`` on."""
        index = self.index[rows]
        return Events(
            index - first if first else index,
            self.time[rows],
            self.cell[rows],
            self.terms[rows],
            None if self.ids is None else self.ids[rows],
        )


@dataclass(frozen=True)
class Refusal:
    """A record of the batch that breaks the contract, and why."""

    index: int
    reason: str
