"""How far behind the ends of its partitions a worker is, and how fast it goes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka.errors import KafkaError
from faust.types import TP

from tidecast.state.partition import Batch
from tidecast.streams.metrics import LAG

__all__ = ["Pace"]

logger = logging.getLogger(__name__)
ASK_SECONDS = 5.0
MEMORY_SECONDS = 10.0


class Pace:
    """Counts what was taken, and asks the broker now and then where the partitions end."""

    def __init__(self) -> None:
        self._next: dict[TP, int | None] = {}
        self._ends: dict[TP, int] = {}
        self._asked = -ASK_SECONDS
        self._speed = 0.0
        self._noted = time.monotonic()

    def assigned(self, places: Iterable[TP], positions: Mapping[TP, int]) -> None:
        """Begin anew; where a position is not known, the worker goes on where it committed."""
        self._next = {tp: positions.get(tp) for tp in places}
        self._ends, self._asked = {}, -ASK_SECONDS
        LAG.clear()

    def took(self, tp: TP, batch: Batch) -> None:
        """Count one batch that was folded or gathered."""
        self._next[tp] = int(batch.offsets[-1]) + 1
        self._fade()
        self._speed += len(batch.offsets) / MEMORY_SECONDS

    def records_per_second(self) -> float:
        """Return the speed of late, over about ten seconds."""
        self._fade()
        return self._speed

    async def lags(self, consumer: Any) -> dict[TP, int | None]:
        """Return how many records each assigned partition is behind, as last known; None: never."""
        now = time.monotonic()
        if now - self._asked >= ASK_SECONDS:
            self._asked = now
            try:
                async with asyncio.timeout(ASK_SECONDS):
                    await self._ask(consumer)
            except (KafkaError, TimeoutError) as error:
                logger.debug("the ends of partitions are not known: %r", error)
        lags: dict[TP, int | None] = dict.fromkeys(self._next)
        for tp, at in self._next.items():
            if at is not None and tp in self._ends:
                lags[tp] = lag = max(0, self._ends[tp] - at)
                LAG.labels(tp.topic, str(tp.partition)).set(lag)
        return lags

    async def _ask(self, consumer: Any) -> None:
        places = list(self._next)
        if not places:
            return
        self._ends |= await consumer.reach(places)
        unknown = [tp for tp, at in self._next.items() if at is None]
        if not unknown:
            return
        for place, start in (await consumer.earliest_offsets(*unknown)).items():
            tp = TP(place.topic, place.partition)
            committed = await consumer.committed(tp) or 0
            if self._next.get(tp) is None:
                self._next[tp] = max(start, committed)

    def _fade(self) -> None:
        now = time.monotonic()
        self._speed *= max(0.0, 1.0 - (now - self._noted) / MEMORY_SECONDS)
        self._noted = now
