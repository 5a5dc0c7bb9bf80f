"""Reading topics: what becomes of the reader whose connection did not last."""

from __future__ import annotations

import asyncio

from tidecast.state.settings import KafkaSettings
from tidecast.streams.recount.logs import TopicReader


class Left:
    """A consumer whose connection timed out meanwhile: it ends as aiokafka's then does."""

    def __init__(self) -> None:
        self.rest: asyncio.Task[None] | None = None

    async def stop(self) -> None:
        self.rest = asyncio.ensure_future(asyncio.sleep(3_600.0))
        raise asyncio.CancelledError


def test_what_was_read_is_not_lost_with_the_connection() -> None:
    reader = TopicReader(KafkaSettings())
    consumer = reader._consumer = Left()
    reader.__exit__(None, None, None)
    assert consumer.rest is not None
    assert consumer.rest.cancelled()
