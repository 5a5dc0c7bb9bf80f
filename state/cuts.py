"""Cuts and decisions: the messages of the forecaster's one input log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tidecast.state.cells import Cell, CellIndex
from tidecast.state.deep_forecast import DeepForecast

__all__ = [
    "END_OF_LOG",
    "Admission",
    "Announced",
    "Announcement",
    "BinSums",
    "Cut",
    "Idle",
    "InputMessage",
    "Join",
    "PartitionList",
    "Refit",
    "SlabMessage",
]

END_OF_LOG = b'{"tidecast":"end-of-log"}'
"""The record that says: this source partition ends here, close what is open."""


@dataclass(frozen=True)
class BinSums:
    """What one source partition adds to one bin, whole.

    ``sums`` is (1 + term, cell): row 0 counts events, the others are the source's terms. Cell i is
    (regions[region[i]], categories[category[i]]): names stand once, so that ten thousand cells
    cost arrays, not objects.
    """

    bin: int
    regions: list[str]
    categories: list[str]
    region: NDArray[np.int32]
    category: NDArray[np.int32]
    sums: NDArray[np.int64]

    @classmethod
    def of(cls, bin_: int, index: CellIndex, sums: NDArray[np.int64]) -> BinSums:
        """Return what ``sums``, (1 + term, numbered cell), hold of cells that have events."""
        seen = np.flatnonzero(sums[0])
        regions, region = index.regions.of(seen)
        categories, category = index.categories.of(seen)
        return cls(bin_, regions, categories, region, category, sums[:, seen])

    @property
    def cells(self) -> list[Cell]:
        """The cells of the columns of ``sums``."""
        pairs = zip(self.region.tolist(), self.category.tolist(), strict=True)
        return [Cell(self.regions[r], self.categories[c]) for r, c in pairs]


@dataclass(frozen=True)
class Cut:
    """A source partition's watermark has passed the end of bin ``boundary``.

    It covers the bins from ``since`` to ``boundary``; those not in ``bins`` are empty, and earlier
    bins in it replace what was said of them before. ``upto`` is the offset of the record that
    moved the watermark: of two versions of a bin the one with the larger (upto, boundary) counts.
    ``ended`` says that the partition's log ends here and holds nobody back any more.
    """

    source: str
    partition: int
    since: int
    boundary: int
    upto: int
    bins: tuple[BinSums, ...] = ()
    ended: bool = False


@dataclass(frozen=True)
class Idle:
    """A decision: the partition is silent and read to its end, and holds nobody back.

    ``bins`` is what it has open so far.
    """

    source: str
    partition: int
    upto: int
    bins: tuple[BinSums, ...] = ()


@dataclass(frozen=True)
class PartitionList:
    """A decision: the partitions of each source that slabs wait for. The first one wins."""

    partitions: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Join:
    """A decision: slabs not made yet wait for this source partition too.

    The ingest owner of a partition that nothing was read of sends it before the first cut, so that
    a partition added while running is never cut unheard. For one listed already it does nothing.
    """

    source: str
    partition: int


@dataclass(frozen=True)
class Refit:
    """A decision: what the refit of ``expert`` that came due with the closing of ``bin`` has given.

    With None the bins go on without it. Of the rest, each an artifact for every series, the first
    that comes while the refit is due counts.
    """

    expert: str
    bin: int
    artifacts: tuple[bytes, ...] | None


@dataclass(frozen=True)
class Admission:
    """A decision: what a deep model has said in time of the bins after ``origin_bin``.

    With None they are forecast without it. The first one of an origin counts.
    """

    origin_bin: int
    said: DeepForecast | None


class Announced(NamedTuple):
    """What a record of a covariate's topic says: a value of the bins from ``first`` to ``last``.

    NaN is a missing value. It was known at ``known_at``, microseconds UTC; None = when it was read.
    """

    offset: int
    name: str
    first: int
    last: int
    region: str | None
    category: str | None
    value: float
    known_at: int | None


@dataclass(frozen=True)
class Announcement:
    """A decision: from here on the records of a covariates' partition before ``upto`` are known.

    What is not among ``rows`` was refused, or announced before. What a record says counts once,
    however often it is announced.
    """

    topic: str
    partition: int
    upto: int
    rows: tuple[Announced, ...]


SlabMessage = Cut | Idle | Join | PartitionList
"""What slabs are made of."""

InputMessage = SlabMessage | Refit | Admission | Announcement
