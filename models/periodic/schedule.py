"""When to refit: a function of the bins alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tidecast.models.arrays import Arrays

__all__ = ["RefitSchedule"]

SHORTEST_SEASON = 4
LONGEST_GAP = 28
"""Bins; the longest season is, where it is longer."""

NEVER = -1


class RefitSchedule:
    """Refits after 2, 4, 8 ... short seasons, and once every longest season from then on.

    Bins that were skipped count. A log that begins anywhere is refitted after the same bins. A
    refit is due until it was made or the next one is; the next bin awaits it, unless it was
    decided to go on without.

    Examples
    --------
    >>> schedule = RefitSchedule((24, 168))
    >>> dues = []
    >>> for bin_ in range(700):
    ...     schedule.note(bin_)
    ...     if schedule.due == bin_:
    ...         dues.append(bin_ + 1)
    >>> dues
    [48, 96, 192, 360, 528, 696]
    """

    def __init__(self, season_lengths: Sequence[int]) -> None:
        self.due: int | None = None
        """The bin after whose closing a refit came due that is not made yet."""
        self.is_awaited = False
        seasons = [SHORTEST_SEASON, *season_lengths]
        self._longest_gap = max(LONGEST_GAP, *seasons)
        self._start: int | None = None
        self._next_age = 2 * max(seasons[:2])  # bins from the start to the next refit

    def note(self, bin_: int) -> None:
        """Take in that ``bin_`` has closed."""
        if self._start is None:
            self._start = bin_
        age = bin_ + 1 - self._start
        if age >= self._next_age:
            self._next_age = age + min(age, self._longest_gap)
            self.due, self.is_awaited = bin_, True

    def made(self) -> None:
        """Take in that the refit that was due is made."""
        self.due, self.is_awaited = None, False

    def go_without(self) -> None:
        """Take in that the next bin shall not wait."""
        self.is_awaited = False

    def snapshot(self) -> Arrays:
        """Return the state as arrays."""
        return {
            "start": np.array(_number(self._start), np.int64),
            "next_age": np.array(self._next_age, np.int64),
            "due": np.array(_number(self.due), np.int64),
            "is_awaited": np.array(self.is_awaited),
        }

    def restore(self, arrays: Arrays) -> None:
        """Become the schedule that ``snapshot`` was taken of."""
        self._start, self.due = _bin(arrays["start"]), _bin(arrays["due"])
        self._next_age = int(arrays["next_age"])
        self.is_awaited = bool(arrays["is_awaited"])


def _number(bin_: int | None) -> int:
    return NEVER if bin_ is None else bin_


def _bin(array: NDArray[np.int64]) -> int | None:
    return None if array == NEVER else int(array)
