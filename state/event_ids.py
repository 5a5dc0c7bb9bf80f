"""The ids of accepted events, by which those that are sent twice are known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidecast.state.checkpoint import Arrays

__all__ = ["NO_ID", "EventIds"]

NO_ID = 0
"""Stands for the id of an event that has none."""

MIN_MERGED = 4_096  # fewer recent ids are not worth copying the others for

Ids = NDArray[np.uint64]
Longs = NDArray[np.int64]
Flags = NDArray[np.bool_]


class EventIds:
    """Remembers at most ``most`` ids, as 64-bit hashes, each with the bin of its event.

    ``unremembered`` counts the events whose ids found no room: their repetitions are not known.

    Examples
    --------
    >>> seen = EventIds(most=2)
    >>> seen.admit(np.array([7, 8, 7, 9], np.uint64), np.array([3, 3, 3, 4])).tolist()
    [True, True, False, True]
    >>> len(seen), seen.unremembered
    (2, 1)
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.unremembered = 0
        self._all = Sorted()
        self._recent = Sorted()

    def __len__(self) -> int:
        return len(self._all.ids) + len(self._recent.ids)

    def admit(self, ids: Ids, bins: Longs) -> Flags:
        """Tell which events are no repetition of an earlier one, and remember their ids."""
        fresh = np.ones(len(ids), np.bool_)
        rows = np.flatnonzero(ids != NO_ID)
        if not len(rows):
            return fresh
        distinct, first, inverse = np.unique(ids[rows], return_index=True, return_inverse=True)
        known = self._all.holds(distinct) | self._recent.holds(distinct)
        unknown = np.flatnonzero(~known)
        in_order = unknown[np.argsort(first[unknown])]
        taken = np.sort(in_order[: max(self.most - len(self), 0)])
        self._remember(distinct[taken], bins[rows[first[taken]]])
        repeated = known[inverse]
        again = np.ones(len(rows), np.bool_)
        again[first] = False
        remembered = known
        remembered[taken] = True
        fresh[rows] = ~(repeated | (again & remembered[inverse]))
        self.unremembered += int((~remembered[inverse]).sum())
        return fresh

    def _remember(self, ids: Ids, bins: Longs) -> None:
        self._recent.add(ids, bins)
        if len(self._recent.ids) > max(MIN_MERGED, len(self._all.ids) // 8):
            self._merge()

    def _merge(self) -> None:
        self._all.add(self._recent.ids, self._recent.bins)
        self._recent = Sorted()

    def drop(self, bin_: int) -> None:
        """Forget the ids of the events of a bin."""
        self._all.drop(bin_)
        self._recent.drop(bin_)

    def snapshot(self) -> Arrays:
        """Return the ids, sorted, and their bins."""
        self._merge()
        return {"id": self._all.ids, "bin": self._all.bins}

    def restore(self, arrays: Arrays, unremembered: int) -> None:
        """Remember what ``snapshot`` returned, and nothing else."""
        self.unremembered = unremembered
        self._all, self._recent = Sorted(), Sorted()
        if arrays:
            self._all.add(arrays["id"], arrays["bin"])


class Sorted:
    """Ids in ascending order, and the bin of each."""

    def __init__(self) -> None:
        self.ids: Ids = np.zeros(0, np.uint64)
        self.bins: Longs = np.zeros(0, np.int64)

    def holds(self, ids: Ids) -> Flags:
        """Tell which of ``ids`` are here."""
        if not len(self.ids):
            return np.zeros(len(ids), np.bool_)
        places = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return np.asarray(self.ids[places] == ids)

    def add(self, ids: Ids, bins: Longs) -> None:
        """Take sorted ``ids`` that are not here yet."""
        places = np.searchsorted(self.ids, ids)
        self.ids = np.insert(self.ids, places, ids)
        self.bins = np.insert(self.bins, places, bins)

    def drop(self, bin_: int) -> None:
        """Take the ids of a bin away."""
        kept = self.bins != bin_
        if not kept.all():
            self.ids, self.bins = self.ids[kept], self.bins[kept]
