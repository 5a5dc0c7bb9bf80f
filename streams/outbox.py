"""A sender with a producer of its own, for commands that run no Faust app."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaProducer

from tidecast.state.settings import KafkaSettings
from tidecast.streams.clients import aiokafka_options
from tidecast.streams.sender import Sender

__all__ = ["outbox"]


class Outbox:
    """As much of a Faust app as a `Sender` needs."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self.producer = self

    async def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes,
        partition: int | None,
        timestamp: None,
        headers: None,
    ) -> Any:
        """Hand over one record; return the promise of its delivery."""
        return await self._producer.send(topic, value, key, partition)


@asynccontextmanager
async def outbox(settings: KafkaSettings) -> AsyncIterator[Sender]:
    """Connect, and yield a sender; what it was given is delivered when the block ends."""
    producer = AIOKafkaProducer(**aiokafka_options(settings), acks="all")
    try:
        await producer.start()
        sender = Sender(Outbox(producer))
        yield sender
        await sender.delivered()
    finally:
        await producer.stop()
