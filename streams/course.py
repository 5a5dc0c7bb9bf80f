"""The course of reading: each partition's batches in a row, none taken twice and none left out.

What is fetched may be dropped on its way to us, or come from before the last seek. A batch is taken
where it goes on from where the one before ended; whoever finds a hole seeks back to its beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from faust.types import TP

__all__ = ["Course"]

PATIENCE_SECONDS = 5.0
Verdict = Literal["next", "old", "hole"]


class Course:
    """Where each assigned partition is to be read on."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._next: dict[TP, int | None] = {}
        self._asked: dict[TP, tuple[int, float]] = {}
        self._short: dict[TP, tuple[int | None, float]] = {}

    def assigned(self, positions: Mapping[TP, int | None]) -> None:
        """Begin anew; a position may not be known yet."""
        self._next = dict(positions)
        self._asked, self._short = {}, {}

    def position(self, tp: TP) -> int | None:
        """Return where a partition is to be read on, None where that is not known."""
        return self._next.get(tp)

    def went_on(self, tp: TP, position: int) -> None:
        """Note that a partition is to be read on from ``position``."""
        self._next[tp] = position

    def judge(self, tp: TP, since: int | None) -> Verdict:
        """Tell how a batch read from ``since`` fits: it is next, was taken, or leaves a hole."""
        position = self._next.get(tp)
        if position is None or since is None or since > position:
            return "hole"
        return "next" if since == position else "old"

    def may_seek(self, tp: TP, position: int) -> bool:
        """Tell whether to seek to ``position``: not again at once, for other batches of the same
        hole that are on their way."""
        asked, at = self._asked.get(tp, (-1, 0.0))
        if asked == position and self._clock() - at < PATIENCE_SECONDS:
            return False
        self._asked[tp] = position, self._clock()
        return True

    def missing(self, handed: Mapping[TP, int]) -> list[TP]:
        """Return the partitions of which less than was ``handed`` over has come, for a while now.

        It is to be asked again and again while nothing is being taken.
        """
        now, before = self._clock(), self._short
        self._short = {}
        for tp, position in self._next.items():
            if handed.get(tp, -1) > (-1 if position is None else position):
                known, since = before.get(tp, (position, now))
                self._short[tp] = position, since if known == position else now
        return [tp for tp, (_, since) in self._short.items() if now - since >= PATIENCE_SECONDS]
