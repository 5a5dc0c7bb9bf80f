"""How long to wait before the next try."""

from __future__ import annotations

import random

__all__ = ["Backoff"]


class Backoff:
    """Waits that double up to a limit, each drawn between its half and its whole.

    Workers that failed together thus do not all come back at the same moment.

    Examples
    --------
    >>> backoff = Backoff(1.0, 8.0)
    >>> 0.5 <= backoff.next() <= 1.0 <= backoff.next() <= 2.0
    True
    """

    def __init__(self, first_seconds: float, longest_seconds: float) -> None:
        self._first = first_seconds
        self._longest = longest_seconds
        self._current = first_seconds

    def next(self) -> float:
        """Return the seconds to wait now."""
        seconds, self._current = self._current, min(2 * self._current, self._longest)
        return seconds * random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Begin anew: it worked."""
        self._current = self._first
