"""What workers have told of a source partition: how far it is in the bins, and of the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["NEVER", "Cover", "Known", "LateBin"]

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

    def since(self, base: int) -> Cover:
        """Return the same in a topic made anew, after ``base`` offsets of the one before."""
        return Cover(self.upto - base, self.boundary) if self.upto >= base else Cover(-1, -1)

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


@dataclass(frozen=True)
class Known:
    """What a recount is told of a partition before the first record.

    Only what ``cover`` reaches is counted, and in ``late_bins`` even less: what a bin's own cover
    leaves out is late. ``late_at`` says where the late topic tells of late records, by offset.
    Records before offset ``trusted`` were read under other settings, which nobody knows: they are
    late or refused as ``reasons`` say, by offset, and not by the rules of now.
    """

    cover: Cover = Cover()
    late_bins: Mapping[int, LateBin] = field(default_factory=dict)
    late_at: Mapping[int, int] | None = None
    trusted: int = 0
    reasons: Mapping[int, str] = field(default_factory=dict)

    def refusal(self, offset: int) -> str | None:
        """Return why a record was refused that is judged by what was told."""
        reason = self.reasons.get(offset) if offset < self.trusted else None
        return None if reason == "late" else reason
