"""How far a source partition's log is in the closed bins, and what was told of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["NEVER", "Cover", "LateBin"]

NEVER = 2**62  # beyond every offset
Longs = NDArray[np.int64]


@dataclass(frozen=True, order=True)
class Cover:
    """How far a partition's log is in the closed bins: up to the cut at ``upto``, ``boundary``.

    The default covers a whole log. Records that come after are open: they may be in a later
    correction.
    """

    upto: int = NEVER
    boundary: int = -1

    def reaches(self, at: Longs, through: Longs) -> NDArray[np.bool_]:
        """Tell which records, each at its turn, come before the cut."""
        return ~((at >= self.upto) & (through >= self.boundary))


@dataclass(frozen=True)
class LateBin:
    """A bin of which a partition had events when no slab took them any more.

    ``counted`` is how far the partition's log is in the slab. ``told`` are the records of the late
    topic that tell of the rest: up to which cut, and their position in that topic.
    """

    counted: Cover
    told: Sequence[tuple[Cover, int]] = ()

    def told_at(self, at: Longs, through: Longs) -> Longs:
        """Return the position of the first record that tells of each event; NEVER: none yet."""
        found = np.full(len(at), NEVER, np.int64)
        for cover, position in self.told:
            found[cover.reaches(at, through)] = np.minimum(
                found[cover.reaches(at, through)], position
            )
        return found
