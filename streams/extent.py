"""Which offsets partitions have, as their broker tells it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, TypeVar

__all__ = ["Extent", "settled"]

SETTLE_SECONDS = 1.0
SETTLE_TIMES = 5

Place = TypeVar("Place", bound=tuple[str, int])


class Extent(NamedTuple):
    """The offsets that a topic partition has: from ``beginning`` to before ``end``."""

    beginning: int
    end: int

    def tail(self, back: int) -> int:
        """Return where the last ``back`` offsets begin."""
        return max(self.beginning, self.end - back)


async def settled(
    ask: Callable[[], Awaitable[dict[Place, Extent]]], positions: Mapping[tuple[str, int], int]
) -> dict[Place, Extent]:
    """Return what ``ask`` tells of partitions, once none of them ends before its position.

    A broker that has just come up may show an earlier end for a moment: it is asked again, for some
    seconds. One that still does so has lost records.
    """
    extents = await ask()
    for _ in range(SETTLE_TIMES):
        if all(extent.end >= positions.get(place, 0) for place, extent in extents.items()):
            break
        await asyncio.sleep(SETTLE_SECONDS)
        extents = await ask()
    return extents
