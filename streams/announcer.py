"""What topics tell of covariates, on its way into the forecaster's log.

The forecaster reads the topics outside its group, from where its log has come, and writes what it
finds into that log: a record is known where it is read back. So a replay of the log knows it at
the same origins, and what is announced twice, by a worker that started anew, counts once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from tidecast.state.cuts import Announced, Announcement
from tidecast.state.errors import ContractError, ServiceError
from tidecast.state.partition import Rejected
from tidecast.state.settings import Settings
from tidecast.streams.covariate_judge import CovariateJudge
from tidecast.streams.extent import settled
from tidecast.streams.follow import extents_of, reading
from tidecast.streams.wire import encode_rejected

__all__ = ["Announcer"]

logger = logging.getLogger(__name__)
PAUSE_SECONDS = 5.0
POLL_MS = 500
BATCH_RECORDS = 1_000
SOURCE = "covariates"
"""What dead letters name as the source of a record."""

Say = Callable[[Announcement], Awaitable[None]]
Refuse = Callable[[bytes], Awaitable[None]]


class Announcer:
    """Reads the covariates' topics, and says in the forecaster's log what they tell.

    ``say`` and ``refuse`` return when what they were given is delivered: an announcement, and a
    dead letter.
    """

    def __init__(self, settings: Settings, say: Say, refuse: Refuse) -> None:
        self._kafka = settings.kafka
        self._judges = {
            topic: CovariateJudge(settings, topic) for topic in settings.covariate_topics
        }
        self._say, self._refuse = say, refuse
        self._positions: dict[tuple[str, int], int] = {}
        self._task: asyncio.Task[None] | None = None

    def begin(self, positions: Mapping[tuple[str, int], int]) -> None:
        """Give up what was begun; what the topics have before ``positions`` is announced."""
        if self._task is not None:
            self._task.cancel()
        self._task = None
        self._positions = dict(positions)

    async def catch_up(self) -> None:
        """Announce what the topics have by now.

        Raises
        ------
        ServiceError
            When a topic cannot be read, or is not the one that was read before.
        """
        if not self._judges:
            return
        try:
            async with reading(self._kafka, self._judges) as consumer:
                await self._go_on(consumer)
                ends = await consumer.end_offsets(consumer.assignment())
                while any([await consumer.position(p) < end for p, end in ends.items()]):
                    await self._announce_some(consumer)
        except (KafkaError, TimeoutError) as error:
            raise ServiceError(
                f"the broker at {self._kafka.bootstrap} does not tell the topics of covariates "
                f"({error!r}): start the worker again when the broker is back"
            ) from error

    def follow(self) -> None:
        """Announce from now on what comes."""
        if self._judges:
            self._task = asyncio.create_task(self._follow())

    def check(self) -> None:
        """Raise what ended the reading of the topics, if anything did."""
        if self._task is not None and self._task.done() and not self._task.cancelled():
            self._task.result()

    async def _follow(self) -> None:
        while True:
            try:
                async with reading(self._kafka, self._judges) as consumer:
                    await self._go_on(consumer)
                    while True:
                        await self._announce_some(consumer)
            except (KafkaError, TimeoutError) as error:
                logger.warning("no covariates can be read from their topics: %r", error)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _go_on(self, consumer: Any) -> None:
        """Let a ``consumer`` read on where the announcements of each partition end."""
        extents = await settled(partial(extents_of, consumer), self._positions)
        for place, extent in extents.items():
            position = self._positions.get(place, 0)
            if position > extent.end:
                raise ServiceError(
                    f"{place.topic}/{place.partition} ends at offset {extent.end}, but was "
                    f"read up to {position}: it was made anew, or its broker has lost records; "
                    "name another topic, and start afresh under another kafka.topic_prefix"
                )
            consumer.seek(place, max(position, extent.beginning))

    async def _announce_some(self, consumer: Any) -> None:
        fetched = await consumer.getmany(timeout_ms=POLL_MS, max_records=BATCH_RECORDS)
        for place, records in fetched.items():
            rows = await self._judged(place, records)
            upto = records[-1].offset + 1
            await self._say(Announcement(place.topic, place.partition, upto, tuple(rows)))
            self._positions[place] = upto

    async def _judged(self, place: TopicPartition, records: Sequence[Any]) -> list[Announced]:
        """Return what the records say; those that break their contract are refused."""
        judge, rows, reasons = self._judges[place.topic], [], []
        for record in records:
            try:
                rows.append(judge.judge(record.offset, record.value))
            except ContractError as error:
                rejected = Rejected(record.offset, str(error), record.value)
                await self._refuse(encode_rejected(rejected, SOURCE, *place))
                reasons.append(rejected.reason)
        if reasons:
            logger.warning("%s/%d: %d records refused: %s", *place, len(reasons), reasons[0])
        return rows
