"""Whether a source partition is so far ahead of the slabs that it should wait for the others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

__all__ = ["RunAhead"]

ASK_EVERY = 1.0  # seconds


class RunAhead:
    """Compares how far partitions were cut with the forecaster's next bin.

    ``ask`` returns that bin, or None when it is not known; it is called at first, and then only
    when the last answer would hold a partition back, at most once a second by ``clock``.
    """

    def __init__(
        self,
        max_ahead: int,
        ask: Callable[[], Awaitable[int | None]],
        clock: Callable[[], float],
    ) -> None:
        self._max_ahead = max_ahead
        self._ask = ask
        self._clock = clock
        self._next_bin: int | None = None
        self._asked: float | None = None

    async def is_ahead(self, first: int | None, through: int | None) -> bool:
        """Tell whether a partition cut from bin ``first`` to ``through`` should be held back.

        As long as the forecaster has closed nothing, its own first bin stands for the next one:
        no slab can be made before every partition was cut once, and to be cut once takes no
        more than that.
        """
        if first is None or through is None:
            return False
        if self._asked is None or self._is_beyond(first, through):
            await self._ask_now_and_then()
        return self._is_beyond(first, through)

    async def _ask_now_and_then(self) -> None:
        now = self._clock()
        if self._asked is not None and now - self._asked < ASK_EVERY:
            return
        self._asked = now
        found = await self._ask()
        if found is not None:  # a stale writer's record takes nobody back
            self._next_bin = max(found, self._next_bin or found)

    def _is_beyond(self, first: int, through: int) -> bool:
        next_bin = first if self._next_bin is None else self._next_bin
        return through - next_bin > self._max_ahead
