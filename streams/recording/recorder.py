"""Record a live run: copy its source topics and its cuts topic into a folder, while it runs.

A message of the cuts topic is written after the source records that it speaks of: whenever a
recorder ends, however it ends, what it leaves can be repeated, and gone on with.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from tidecast.state.cuts import Cut, Idle
from tidecast.state.errors import LogError, ServiceError
from tidecast.state.settings import Settings
from tidecast.streams.clients import aiokafka_options
from tidecast.streams.recording.folder import Manifest, Recording
from tidecast.streams.recording.intake import Intake
from tidecast.streams.topics import partition_counts, topic_ids, topic_names
from tidecast.streams.wire import parse_input

__all__ = ["Recorder", "manifest_of"]

Key = tuple[str, int]
FETCH_BYTES = 8 << 20
PARTITION_BYTES = 2 << 20
FETCH_RECORDS = 20_000
POLL_MS = 500
PIECE_BYTES = 8 << 20
WAITING_BYTES = 64 << 20  # of all partitions together
HELD_BYTES = 32 << 20  # of cuts: then sources are read first
PIECE_SECONDS = 60.0
CUTS_SECONDS = 1.0


def manifest_of(settings: Settings) -> Manifest:
    """Return what a recording of this pipeline, as it is now, says of itself.

    Raises
    ------
    ServiceError
        When there is no broker.
    """
    cuts = topic_names(settings.kafka.topic_prefix).cuts
    sources = {source.name: source.topic for source in settings.sources}
    ids = topic_ids(settings.kafka, [cuts, *sources.values()])
    return Manifest(settings=settings.fingerprint(), cuts=cuts, sources=sources, topic_ids=ids)


class Recorder:
    """Copies the topics of a pipeline into ``recording``; ``advance`` is told of every piece read.

    ``total`` is how many offsets there are to read, once that is known.
    """

    def __init__(
        self, settings: Settings, recording: Recording, advance: Callable[[int], None]
    ) -> None:
        self._settings = settings
        self._recording = recording
        self._advance = advance
        self._fingerprint = settings.fingerprint()
        self._topics = {source.name: source.topic for source in settings.sources}
        self._cuts_place = TopicPartition(topic_names(settings.kafka.topic_prefix).cuts, 0)
        self._keys: dict[TopicPartition, Key] = {}
        self._intakes: dict[TopicPartition, Intake] = {}
        self._needs: list[tuple[TopicPartition, int] | None] = []  # of each cut not written yet
        self._ends: dict[TopicPartition, int] = {}
        self._written = time.monotonic()
        self._consumer: Any = None

    async def run(self, stop: asyncio.Event, until_end: bool) -> dict[str, tuple[int, int]]:
        """Record until told to stop, or to where the topics end now.

        Returns the first offset and the one after the last that is written, by "topic/partition".

        Raises
        ------
        LogError
            When something is gone that the recording needs, or it cannot be written.
        ServiceError
            When the broker is away at the start, or refuses.
        """
        self._consumer = AIOKafkaConsumer(
            **aiokafka_options(self._settings.kafka),
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            fetch_max_bytes=FETCH_BYTES,
            max_partition_fetch_bytes=PARTITION_BYTES,
        )
        try:
            await self._consumer.start()
            await self._open(until_end)
            try:
                while not stop.is_set() and not self._is_at_end():
                    await self._fetch()
            finally:
                await self._write()
        except KafkaError as error:
            raise ServiceError(
                f"Kafka at {self._settings.kafka.bootstrap} refuses to be recorded ({error!r}): "
                "run the same command again to go on"
            ) from error
        finally:
            await self._consumer.stop()
        return {
            f"{place.topic}/{place.partition}": (intake.begin, intake.kept)
            for place, intake in self._intakes.items()
        }

    async def _open(self, until_end: bool) -> None:
        """Find where to begin; the end of the cuts is asked for before that of their records."""
        cuts = self._cuts_place
        if until_end:
            self._ends = await self._consumer.end_offsets([cuts])
        counts = await asyncio.to_thread(
            partition_counts, self._settings.kafka, self._topics.values()
        )
        for name, topic in self._topics.items():
            for number in range(counts[topic]):
                self._keys[TopicPartition(topic, number)] = (name, number)
        places = [*self._keys, cuts]
        beginnings = await self._consumer.beginning_offsets(places)
        self._refuse_cuts_without_beginning(beginnings[cuts])
        for place in places:
            self._intakes[place] = self._intake(place, beginnings[place])
        ends = await self._consumer.end_offsets(places)
        self._refuse_gone(beginnings, ends)
        if until_end:
            self._ends = ends | self._ends
        self._assign()

    def _intake(self, place: TopicPartition, beginning: int) -> Intake:
        key = self._keys.get(place)
        track = self._recording.cuts if key is None else self._recording.events(*key)
        return Intake.of(track, beginning)

    def _assign(self) -> None:
        self._consumer.assign(list(self._intakes))
        for place, intake in self._intakes.items():
            self._consumer.seek(place, intake.position)

    def _refuse_cuts_without_beginning(self, beginning: int) -> None:
        if beginning and not self._recording.cuts.pieces():
            raise LogError(
                f"the first {beginning} records of topic {self._cuts_place.topic} were deleted: "
                "without them nothing can be repeated; begin a recording before `tidecast topics "
                "trim` runs for the first time"
            )

    def _refuse_gone(
        self, beginnings: dict[TopicPartition, int], ends: dict[TopicPartition, int]
    ) -> None:
        for place, intake in self._intakes.items():
            at, there = intake.position, f"{place.topic}/{place.partition}"
            if beginnings[place] > at:
                raise LogError(
                    f"offsets {at} to {beginnings[place] - 1} of {there} were deleted before they "
                    f"were recorded: {self._recording.folder} ends there; name a new folder"
                )
            if ends[place] < at:
                raise LogError(
                    f"{there} ends at offset {ends[place]}, but was recorded up to {at}: it was "
                    "created anew, or its broker has lost records; name a new folder"
                )

    def _is_at_end(self) -> bool:
        return bool(self._ends) and all(
            self._intakes[place].position >= end for place, end in self._ends.items()
        )

    async def _fetch(self) -> None:
        """Read what has come, and write what is due."""
        try:
            fetched = await self._consumer.getmany(
                *self._places_to_read(), timeout_ms=POLL_MS, max_records=FETCH_RECORDS
            )
        except OffsetOutOfRangeError:
            places = list(self._intakes)
            beginnings = await self._consumer.beginning_offsets(places)
            self._refuse_gone(beginnings, await self._consumer.end_offsets(places))
            raise
        for place, records in fetched.items():
            position = await self._consumer.position(place)
            end = self._ends.get(place, position)
            inside = (
                [record for record in records if record.offset < end] if self._ends else records
            )
            self._intakes[place].note(inside, min(position, end))
            if place == self._cuts_place:
                await self._note_needs([record.value for record in inside])
            self._advance(len(inside))
        if self._is_due():
            await self._write()

    def _places_to_read(self) -> Iterable[TopicPartition]:
        is_held = self._intakes[self._cuts_place].size >= HELD_BYTES
        return self._keys if is_held else self._intakes

    async def _note_needs(self, values: list[bytes | None]) -> None:
        """Note up to where source records must be written before each of these cuts is."""
        for value in values:
            message = parse_input(value or b"", self._fingerprint)
            if not isinstance(message, Cut | Idle):
                self._needs.append(None)
                continue
            place = TopicPartition(self._topics[message.source], message.partition)
            if place not in self._intakes:
                await self._add(place, (message.source, message.partition))
            if message.upto < (begin := self._intakes[place].begin):
                raise LogError(
                    f"{place.topic}/{place.partition} begins at offset {begin}, but the workers "
                    f"have read it from offset {message.upto} or before: what is gone cannot be "
                    "repeated; record from the start of a run, and keep the topic for as long"
                )
            need = message.upto + 1 if isinstance(message, Cut) else message.upto
            self._needs.append((place, need))

    async def _add(self, place: TopicPartition, key: Key) -> None:
        """Record a partition that was added to its topic meanwhile."""
        self._keys[place] = key
        beginnings = await self._consumer.beginning_offsets([place])
        self._intakes[place] = self._intake(place, beginnings[place])
        self._assign()

    def _is_due(self) -> bool:
        cuts = self._intakes[self._cuts_place].size
        sizes = [intake.size for intake in self._intakes.values()]
        seconds = time.monotonic() - self._written
        return (
            max(sizes) - cuts >= PIECE_BYTES
            or sum(sizes) >= WAITING_BYTES
            or (cuts >= HELD_BYTES and seconds >= CUTS_SECONDS)
            or seconds >= PIECE_SECONDS
        )

    async def _write(self) -> None:
        await asyncio.to_thread(self._write_all)
        self._written = time.monotonic()

    def _write_all(self) -> None:
        """Write the source records, then the cuts that speak of written records."""
        for place in self._keys:
            intake = self._intakes[place]
            intake.write(len(intake.offsets))
        ready = 0
        for need in self._needs:
            if need is not None and self._intakes[need[0]].kept < need[1]:
                break
            ready += 1
        self._intakes[self._cuts_place].write(ready)
        del self._needs[:ready]
