"""How far the forecaster has come, as read from the end of the progress topic."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator
from contextlib import suppress

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from tidecast.state.settings import Settings
from tidecast.streams.clients import aiokafka_options
from tidecast.streams.schemas.forecasts import ProgressRecord
from tidecast.streams.topics import topic_names

__all__ = ["ProgressLog"]

logger = logging.getLogger(__name__)
TAIL = 1_000  # records: a forecaster that lost its shard may have written the last few
ASK_SECONDS = 5.0


class ProgressLog:
    """Reads the last records of the progress topic whenever it is asked."""

    def __init__(self, settings: Settings) -> None:
        self._options = aiokafka_options(settings.kafka)
        self._place = TopicPartition(topic_names(settings.kafka.topic_prefix).progress, 0)
        self._is_silent = False

    async def next_bin(self) -> int | None:
        """Return the first bin that is not closed; None when nothing is known of it.

        Of the last records the one that is furthest counts: time never goes back. Where none can
        be read, that is logged once until they can be.
        """
        try:
            async with asyncio.timeout(ASK_SECONDS):
                tail = await self._tail()
        except (KafkaError, TimeoutError) as error:
            if not self._is_silent:
                logger.warning("no progress can be read from %s: %r", self._place.topic, error)
            self._is_silent = True
            return None
        self._is_silent = False
        return max(_next_bins(tail), default=None)

    async def _tail(self) -> list[bytes | None]:
        # Not by seek_to_beginning: a reset to the end, begun at the assignment, may overtake it.
        consumer = AIOKafkaConsumer(
            **self._options, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        place, values = self._place, []
        try:
            await consumer.start()
            consumer.assign([place])
            end = (await consumer.end_offsets([place]))[place]
            start = (await consumer.beginning_offsets([place]))[place]
            consumer.seek(place, max(start, end - TAIL))
            while await consumer.position(place) < end:
                fetched = await consumer.getmany(place, timeout_ms=500)
                values += [record.value for record in fetched.get(place, [])]
        finally:
            await consumer.stop()
        return values


def _next_bins(values: Iterable[bytes | None]) -> Iterator[int]:
    """Yield what the records say; those of others, which anybody may write, say nothing."""
    for value in values:
        with suppress(ValidationError):
            yield ProgressRecord.model_validate_json(value or b"").next_bin
