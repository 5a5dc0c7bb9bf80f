"""When to refit: a function of the bins alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tidecast.models.arrays import Arrays

__all__ = ["RefitSchedule"]

SHORTEST_SEASON = 4
LONGEST_GAP = 28
"""Bins; the longest season is, where it is longer."""


class RefitSchedule:
    """Refits after 2, 4, 8 ... short seasons, and once every longest season from then on.

    Bins that were skipped count. A log that begins anywhere is refitted after the same bins.

    Examples
    --------
    >>> schedule = RefitSchedule((24, 168))
    >>> [bin_ + 1 for bin_ in range(700) if schedule.is_due_after(bin_)]
    [48, 96, 192, 360, 528, 696]
    """

    def __init__(self, season_lengths: Sequence[int]) -> None:
        seasons = [SHORTEST_SEASON, *season_lengths]
        self._first = 2 * max(seasons[:2])
        self._longest_gap = max(LONGEST_GAP, *seasons)
        self._start: int | None = None
        self._next_age = self._first  # bins from the start to the next refit

    def is_due_after(self, bin_: int) -> bool:
        """Tell whether a refit is due with the closing of ``bin_``; every bin is told once."""
        if self._start is None:
            self._start = bin_
        age = bin_ + 1 - self._start
        if age < self._next_age:
            return False
        self._next_age = age + min(age, self._longest_gap)
        return True

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        start = -1 if self._start is None else self._start
        return {"start": np.array(start), "next_age": np.array(self._next_age)}

    def restore(self, arrays: Arrays) -> None:
        """Become the schedule that ``snapshot`` was taken of."""
        start = int(arrays["start"])
        self._start = None if start < 0 else start
        self._next_age = int(arrays["next_age"])
