"""Record a live run: copy its source topics and its cuts topic into a folder, while it runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from tidecast.models.fold import ForecastFold
from tidecast.state.errors import LogError, ServiceError
from tidecast.state.settings import Settings
from tidecast.streams.checkpoints import CheckpointLog, Owner
from tidecast.streams.clients import aiokafka_options
from tidecast.streams.recording.folder import Manifest, Recording
from tidecast.streams.recording.inbox import HELD_BYTES, Inbox, Key
from tidecast.streams.recording.intake import Intake
from tidecast.streams.topics import partition_counts, topic_ids, topic_names

__all__ = ["Recorder", "manifest_of"]

FETCH_BYTES = 8 << 20
PARTITION_BYTES = 2 << 20
FETCH_RECORDS = 20_000
POLL_MS = 500
Bar = Callable[[str, int | None], AbstractContextManager[Callable[[int], None]]]
"""Shows how far something of so many records, if that is known, was read."""

Offsets = Mapping[TopicPartition, int]


def manifest_of(settings: Settings) -> Manifest:
    """Return what a recording of this pipeline, as it is now, says of itself.

    Raises
    ------
    ServiceError
        When there is no broker, or a topic is missing.
    """
    cuts = topic_names(settings.kafka.topic_prefix).cuts
    sources = {source.name: source.topic for source in settings.sources}
    topics = [cuts, *sources.values()]
    partition_counts(settings.kafka, topics)
    ids = topic_ids(settings.kafka, topics)
    return Manifest(settings=settings.fingerprint(), cuts=cuts, sources=sources, topic_ids=ids)


class Recorder:
    """Copies the topics of a pipeline into ``recording``, going on where that ends."""

    def __init__(self, settings: Settings, recording: Recording, bar: Bar) -> None:
        self._settings = settings
        self._recording = recording
        self._bar = bar
        self._topics = {source.name: source.topic for source in settings.sources}
        self._cuts = TopicPartition(topic_names(settings.kafka.topic_prefix).cuts, 0)
        self._keys: dict[TopicPartition, Key] = {}
        self._ends: Offsets = {}
        self._written = time.monotonic()

    async def run(self, stop: asyncio.Event, until_end: bool = False) -> dict[str, range]:
        """Record until told to stop, or to where the topics end now.

        Returns the offsets that the recording holds, by "topic/partition".

        Raises
        ------
        CheckpointError
            When the forecaster's checkpoint cannot be used.
        ContractError
            When the cuts topic holds what was made under other settings.
        LogError
            When something is gone that the recording needs, or it cannot be written.
        ServiceError
            When the broker is away at the start, or refuses.
        """
        with self._recording.held():
            async with self._connected() as self._consumer:
                await self._open(until_end)
                total = sum(max(0, end - self._intake(p).position) for p, end in self._ends.items())
                try:
                    with self._bar("record", total if until_end else None) as self._advance:
                        while not stop.is_set() and not await self._is_at_end():
                            await self._fetch()
                finally:
                    await self._write()
        intakes = {place: self._intake(place) for place in [*self._keys, self._cuts]}
        return {f"{p.topic}/{p.partition}": range(i.begin, i.kept) for p, i in intakes.items()}

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Any]:
        consumer = AIOKafkaConsumer(
            **aiokafka_options(self._settings.kafka),
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            fetch_max_bytes=FETCH_BYTES,
            max_partition_fetch_bytes=PARTITION_BYTES,
        )
        try:
            await consumer.start()
            yield consumer
        except KafkaError as error:
            raise ServiceError(
                f"Kafka at {self._settings.kafka.bootstrap} refuses to be recorded ({error!r}): "
                "give the same command again to go on"
            ) from error
        finally:
            await consumer.stop()

    async def _open(self, until_end: bool) -> None:
        """Find where to begin; the end of the cuts is asked for before that of their records."""
        before = await self._consumer.end_offsets([self._cuts])
        counts = await asyncio.to_thread(
            partition_counts, self._settings.kafka, self._topics.values()
        )
        for name, topic in self._topics.items():
            for number in range(counts[topic]):
                self._keys[TopicPartition(topic, number)] = (name, number)
        places = [*self._keys, self._cuts]
        beginnings = await self._consumer.beginning_offsets(places)
        self._inbox = Inbox(self._recording, beginnings[self._cuts])
        self._refuse_cuts_without_beginning()
        for place, key in self._keys.items():
            self._inbox.add(key, beginnings[place])
        ends = await self._consumer.end_offsets(places)
        self._refuse_gone(beginnings, ends)
        self._ends = ends | before if until_end else {}
        self._assign()

    def _intake(self, place: TopicPartition) -> Intake:
        return self._inbox.cuts if place == self._cuts else self._inbox.events[self._keys[place]]

    def _assign(self) -> None:
        places = [*self._keys, self._cuts]
        self._consumer.assign(places)
        for place in places:
            self._consumer.seek(place, self._intake(place).position)

    def _refuse_cuts_without_beginning(self) -> None:
        if begin := self._inbox.cuts.begin:
            raise LogError(
                f"the first {begin} records of topic {self._cuts.topic} were deleted, and without "
                "them nothing can be repeated: begin to record before `tidecast topics trim` is "
                "run for the first time, or record another run from its start"
            )

    def _refuse_gone(self, beginnings: Offsets, ends: Offsets) -> None:
        """Refuse to go on after a gap, or in another topic of the same name."""
        for place in [*self._keys, self._cuts]:
            at, there = self._intake(place).position, f"{place.topic}/{place.partition}"
            if beginnings[place] > at:
                raise LogError(
                    f"offsets {at} to {beginnings[place] - 1} of {there} were deleted before they "
                    f"were recorded: {self._recording.folder} ends there; record another run"
                )
            if ends[place] < at:
                raise LogError(
                    f"{there} ends at offset {ends[place]}, but was recorded up to {at}: it was "
                    "created anew, or its broker has lost records; record another run"
                )

    async def _is_at_end(self) -> bool:
        """Tell whether all was read up to the ends; the last may be markers of transactions."""
        for place, end in self._ends.items():
            noted = self._intake(place).position
            if noted < end and await self._consumer.position(place) < end:
                return False
        return bool(self._ends)

    async def _fetch(self) -> None:
        """Read what has come, and write what is due."""
        try:
            fetched = await self._consumer.getmany(
                *self._places_to_read(), timeout_ms=POLL_MS, max_records=FETCH_RECORDS
            )
        except OffsetOutOfRangeError:
            places = [*self._keys, self._cuts]
            beginnings = await self._consumer.beginning_offsets(places)
            self._refuse_gone(beginnings, await self._consumer.end_offsets(places))
            raise
        for place, records in fetched.items():
            await self._note(place, records)
        for key in self._inbox.unknown:
            await self._add(key)
        if self._inbox.is_due(time.monotonic() - self._written):
            await self._write()

    def _places_to_read(self) -> Iterable[TopicPartition]:
        is_held = self._inbox.cuts.size >= HELD_BYTES
        return self._keys if is_held else [*self._keys, self._cuts]

    async def _note(self, place: TopicPartition, records: list[Any]) -> None:
        position = await self._consumer.position(place)
        if (end := self._ends.get(place, position)) < position:
            records, position = [record for record in records if record.offset < end], end
        if place == self._cuts:
            if not self._inbox.cuts.position:
                await self._keep_warm_up()
            self._inbox.note_cuts(records, position)
        else:
            self._intake(place).note(records, position)
        self._advance(len(records))

    async def _add(self, key: Key) -> None:
        """Record a partition that was added to its topic meanwhile."""
        place = TopicPartition(self._topics[key[0]], key[1])
        beginnings = await self._consumer.beginning_offsets([place])
        self._keys[place] = key
        self._inbox.add(key, beginnings[place])
        self._assign()

    async def _write(self) -> None:
        """Write what can be written; what waits for records must have records to wait for."""
        await asyncio.to_thread(self._inbox.write)
        self._written = time.monotonic()
        if self._inbox.needs and (need := self._inbox.needs[0]) is not None:
            place = TopicPartition(self._topics[need.key[0]], need.key[1])
            with suppress(KafkaError):  # a broker that is away is asked the next time
                ends = await self._consumer.end_offsets([place])
                if need.end > ends[place]:
                    raise LogError(
                        f"a cut was made at offset {need.upto} of {place.topic}/{place.partition}, "
                        f"which ends at {ends[place]}: it was created anew, or its broker has lost "
                        "records; what came before cannot be repeated"
                    )

    async def _keep_warm_up(self) -> None:
        """Keep what the forecaster began with: now that there are cuts it can be no other."""
        owner = Owner.shard(self._cuts.partition)
        found = (await CheckpointLog(self._settings).read([owner])).get(owner)
        if found is None:
            return
        fold = ForecastFold(self._settings)
        fold.restore(found.data)
        if fold.slabs.floor is None:
            return
        if found.position:
            raise LogError(
                "the forecaster began with what a warm-up had learnt, and that checkpoint is gone "
                f"(the last is of offset {found.position}): record a run from its start"
            )
        self._recording.keep_warm_up(found.data)
