"""Faust's consumer thread, reading batches: where reading goes on, what is held, whose group it is.

All of it happens in the client's own thread and loop; `BatchConsumer` asks from the worker's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import aiokafka
from aiokafka import TopicPartition
from aiokafka.coordinator.protocol import ConsumerProtocol
from aiokafka.errors import KafkaError
from aiokafka.protocol.admin import DescribeGroupsRequest
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from tidecast.streams.fast_records import RecordBatch, whole

__all__ = ["FETCH_BYTES", "BatchThread"]

logger = logging.getLogger(__name__)
FETCH_BYTES = 4 * 1024 * 1024
ASK_SECONDS = 5.0  # for questions whose answer can wait for the next time
MOST_REFUSALS = 10  # of looks in a row at whether we are in our group


class BatchThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """Faust's consumer thread, reading committed records only, in large fetches."""

    _refusals = 0

    def _create_worker_consumer(self, transport: Any) -> Any:
        stock = aiokafka.AIOKafkaConsumer
        extra = {
            "isolation_level": "read_committed",
            "fetch_max_bytes": 4 * FETCH_BYTES,
            "value_deserializer": whole,
        }

        def consumer(**options: Any) -> Any:
            return stock(**{**options, **extra})

        driver.aiokafka.AIOKafkaConsumer = consumer
        try:
            return super()._create_worker_consumer(transport)
        finally:
            driver.aiokafka.AIOKafkaConsumer = stock

    async def _fetch_records(self, *args: Any, **options: Any) -> Any:
        """Fetch, and note in this thread from where and up to where records are handed over."""
        fetched = {}
        for place, records in (await super()._fetch_records(*args, **options)).items():
            if records:
                tp = TP(*place)
                fetched[place] = self.consumer.handed.get(tp), records
                self.consumer.handed[tp] = _end(records[-1])
        return fetched

    async def go_to(self, positions: Mapping[TP, int]) -> None:
        """Read on from ``positions``; of partitions lost meanwhile nothing is read anyway."""
        await self.call_thread(self._go_to, positions)

    async def _go_to(self, positions: Mapping[TP, int]) -> None:
        consumer = self._ensure_consumer()
        for tp, position in positions.items():
            if (place := TopicPartition(*tp)) in consumer.assignment():
                consumer.seek(place, position)
                self.consumer.handed[tp] = position

    async def starting_point(self, tp: TP) -> int | None:
        """Return the group's committed offset, where it has none the first one; None: unknown."""
        offset: int | None = await self.call_thread(self._starting_point, TopicPartition(*tp))
        return offset

    async def _starting_point(self, place: TopicPartition) -> int | None:
        consumer = self._ensure_consumer()
        try:
            async with asyncio.timeout(ASK_SECONDS):
                offset: int | None = await consumer.committed(place)
                if offset is None:
                    offset = (await consumer.beginning_offsets([place]))[place]
        except (KafkaError, TimeoutError):
            return None
        return offset

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Commit; what the broker does not take now is left to the next time."""
        assigned = self.assignment()
        wanted = {
            TopicPartition(*tp): OffsetAndMetadata(offset, "")
            for tp, offset in offsets.items()
            if tp in assigned
        }
        try:
            await self._ensure_consumer().commit(wanted)
        except KafkaError as error:
            logger.warning("offsets are not committed now: %r", error)
            return False
        return True

    def lost(self) -> BaseException | None:
        """Return of what the client has given up its group for good, None while it has not.

        Where it waits for somebody to read its error, it is let go on, as often as MOST_REFUSALS in
        a row: it tells its errors to those who fetch by its own methods, and Faust does not.
        """
        coordinator = None if self._consumer is None else self._consumer._coordinator
        if coordinator is None:
            return None
        routine = coordinator._coordination_task
        if routine.done() and not routine.cancelled():
            error: BaseException | None = routine.exception()
            return error
        refusal: BaseException | None = coordinator._pending_exception
        self._refusals = 0 if refusal is None else self._refusals + 1
        if self._refusals > MOST_REFUSALS:  # another worker of our name, say, or a lack of rights
            return refusal
        if refusal is not None:
            self.thread_loop.call_soon_threadsafe(_read_error, coordinator)
        return None

    async def watch_partitions(self) -> None:
        """See to it that new partitions of our topics make the client ask for an assignment.

        The client watches where it leads its group. But a member with a stable name that comes
        back as the leader is not told that it leads (before KIP-814), and then nobody would watch.
        """
        coordinator = None if self._consumer is None else self._consumer._coordinator
        if coordinator is not None and coordinator._group_subscription is None:
            await self.call_thread(self._watch_partitions, coordinator)

    async def _watch_partitions(self, coordinator: Any) -> None:
        try:
            async with asyncio.timeout(ASK_SECONDS):
                counts = await _assigned_counts(coordinator)
        except (KafkaError, TimeoutError):
            return
        if counts is not None and coordinator._group_subscription is None:
            coordinator._metadata_snapshot = counts
            coordinator._group_subscription = set(counts)

    async def committed(self, tp: TP) -> int | None:
        """Return the group's committed offset."""
        offset: int | None = await self.call_thread(
            self._ensure_consumer().committed, TopicPartition(*tp)
        )
        return offset

    async def reach(self, tps: Sequence[TP]) -> dict[TP, int]:
        """Return up to where a partition must be folded to be read to its end, asked anew."""
        found: dict[TP, int] = await self.call_thread(self._reach, tps)
        return found

    async def _reach(self, tps: Sequence[TP]) -> dict[TP, int]:
        consumer, reach = self._ensure_consumer(), {}
        places = {tp: TopicPartition(*tp) for tp in tps if tp in consumer.assignment()}
        try:
            async with asyncio.timeout(ASK_SECONDS):
                ends = await consumer.end_offsets(list(places.values()))
                for tp, place in places.items():
                    is_past = await consumer.position(place) >= ends[place]
                    handed = self.consumer.handed.get(tp, self.consumer.positions.get(tp, 0))
                    # Past the end by position, but for what was handed over: only markers follow.
                    reach[tp] = handed if is_past else ends[place]
        except (KafkaError, TimeoutError):
            return {}
        return reach

    async def pause(self, tps: Sequence[TP], paused: bool) -> None:
        """Stop or go on fetching; of partitions lost meanwhile nothing is fetched anyway."""
        await self.call_thread(self._pause, tps, paused)

    async def _pause(self, tps: Sequence[TP], paused: bool) -> None:
        consumer = self._ensure_consumer()
        places = [TopicPartition(*tp) for tp in tps if tp in consumer.assignment()]
        (consumer.pause if paused else consumer.resume)(*places)


async def _assigned_counts(coordinator: Any) -> dict[str, int] | None:
    """Return how many partitions of our topics the group has among its members; None: unsettled."""
    answer = await coordinator._send_req(DescribeGroupsRequest([coordinator.group_id]))
    error, _, state, _, _, members, *_ = answer.groups[0]
    subscription = coordinator._subscription.subscription
    if error or state != "Stable" or subscription is None:
        return None
    counts = dict.fromkeys(subscription.topics, 0)
    for *_, assignment in members:
        for topic, partitions in ConsumerProtocol.ASSIGNMENT.decode(assignment).assignment:
            if topic in counts:
                counts[topic] += len(partitions)
    return counts


def _read_error(coordinator: Any) -> None:
    try:
        coordinator.check_errors()
    except KafkaError as error:
        logger.warning("the group does not take us now, and is asked again: %r", error)


def _end(last: Any) -> int:
    """Return the offset after the last of what a fetch brought, in either form of the reader."""
    return 1 + int(last.offsets[-1] if isinstance(last, RecordBatch) else last.offset)
