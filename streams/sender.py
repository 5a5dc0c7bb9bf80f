"""Sends records through a Faust app's producer, and knows when all have arrived."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

__all__ = ["Sender"]

IN_FLIGHT = 20_000  # records; beyond this sending waits, so that memory stays bounded


class Sender:
    """Hands records to the producer of ``app`` and keeps the promises of delivery.

    Faust's own ``flush`` gives up after a tenth of a second, so the promises are awaited here.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._promises: list[asyncio.Future[Any]] = []

    async def send(
        self, topic: str, value: bytes, key: bytes | None = None, partition: int | None = None
    ) -> asyncio.Future[Any]:
        """Hand over one record; return the promise of its delivery (its metadata)."""
        promise: asyncio.Future[Any] = await self._app.producer.send(
            topic, key, value, partition, None, None
        )
        self._promises.append(promise)
        if len(self._promises) >= IN_FLIGHT:
            await self.delivered()
        return promise

    def delivered(self) -> Awaitable[Any]:
        """Return the promise that everything sent up to this call has arrived.

        Awaiting it raises the first error of the broker. What is sent after this call, be it
        while the promise is awaited, is not part of it.
        """
        promises, self._promises = self._promises, []
        return asyncio.gather(*promises)
