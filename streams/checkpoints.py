"""Checkpoints in a Kafka topic: written, read, and deleted once nothing needs them.

Each owner (a source partition's ingest, a shard's forecaster) has a partition of the topic to
itself. The reader takes the whole checkpoint with the largest input position, not the last one: a
stale writer cannot take anybody back. Only ``CheckpointLog`` deletes, and only what lies before
the best two; it must know every record up to there, its own or read, before it does.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.errors import KafkaError

from tidecast.state.errors import ServiceError
from tidecast.state.settings import Settings
from tidecast.streams.clients import aiokafka_options
from tidecast.streams.metrics import note_checkpoint
from tidecast.streams.sender import Sender
from tidecast.streams.shelf import Checkpoint, Kept, Shelf, to_records
from tidecast.streams.signing import Signing
from tidecast.streams.topics import topic_names

__all__ = ["Checkpoint", "CheckpointLog", "Owner"]

logger = logging.getLogger(__name__)
TRIM_EVERY = 20  # checkpoints of one owner
TRIM_BYTES = 64 * 1024 * 1024
FETCH_BYTES = 16 * 1024 * 1024
DELETE_MS = 5_000


@dataclass(frozen=True)
class Owner:
    """Whose checkpoints: their name, and the topic's partition they have to themselves."""

    name: str
    partition: int

    @classmethod
    def shard(cls, shard: int) -> Owner:
        """Return the owner that is a shard's forecaster."""
        return cls(f"forecast/{shard}", shard)

    @classmethod
    def source(cls, settings: Settings, source: str, partition: int) -> Owner:
        """Return the owner that is the ingest of a source partition."""
        names = [each.name for each in settings.sources]
        return cls(f"ingest/{source}/{partition}", 1 + partition * len(names) + names.index(source))


class CheckpointLog:
    """Writes and reads the checkpoints of owners."""

    def __init__(self, settings: Settings) -> None:
        self._options = aiokafka_options(settings.kafka)
        self._bootstrap = settings.kafka.bootstrap
        self._topic = topic_names(settings.kafka.topic_prefix).checkpoints
        self._fingerprint = settings.fingerprint()
        self._signing = Signing(settings.checkpoints)
        self._shelves: dict[Owner, Shelf] = {}
        self._untrimmed: dict[Owner, tuple[int, int]] = {}  # checkpoints, bytes

    async def write(self, sender: Sender, owner: Owner, checkpoint: Checkpoint) -> None:
        """Write all chunks, await them, then write the manifest, and await it."""
        started = time.perf_counter()
        # Not on the event loop: a digest of a large state takes a while.
        records = await asyncio.to_thread(
            to_records, owner.name, self._fingerprint, checkpoint, self._signing
        )
        *chunks, (key, manifest) = records
        sent = [await sender.send(self._topic, c, k, owner.partition) for k, c in chunks]
        acknowledged = await asyncio.gather(*sent)
        last = await (await sender.send(self._topic, manifest, key, owner.partition))
        note_checkpoint(owner.name, len(checkpoint.data), time.perf_counter() - started)
        kept = Kept(checkpoint.position, last.offset, acknowledged[0].offset)
        self._shelve(owner, kept, len(chunks))
        count, size = self._untrimmed.get(owner, (0, 0))
        count, size = count + 1, size + len(checkpoint.data)
        self._untrimmed[owner] = count, size
        if count >= TRIM_EVERY or size >= TRIM_BYTES:
            await self._trim()

    async def read(self, owners: list[Owner]) -> dict[Owner, Checkpoint]:
        """Return the whole checkpoint with the largest position of each owner that has one.

        Raises
        ------
        CheckpointError
            When an owner's best was made under other settings or by another version, or all of
            its checkpoints are damaged.
        ServiceError
            When the broker is away or refuses.
        """
        shelves = await self._survey(owners)
        found = {owner: shelf.best(self._fingerprint) for owner, shelf in shelves.items()}
        for shelf in shelves.values():
            shelf.let_go()
        self._shelves.update(shelves)
        return {owner: best for owner, best in found.items() if best is not None}

    async def kept(self, owner: Owner) -> list[Kept]:
        """Return the places of the best two whole checkpoints, the best last.

        Raises
        ------
        CheckpointError
            As ``read`` does.
        """
        shelf = (await self._survey([owner]))[owner]
        shelf.best(self._fingerprint)
        return shelf.kept

    async def _survey(self, owners: list[Owner]) -> dict[Owner, Shelf]:
        """Return what the topic holds of each owner."""
        if not owners:
            return {}
        places = {
            TopicPartition(self._topic, o.partition): Shelf(o.name, self._signing) for o in owners
        }
        try:
            await self._read_all(places)
        except (KafkaError, TimeoutError) as error:
            raise ServiceError(
                f"the checkpoints in topic {self._topic} cannot be read ({error!r}): see that the "
                f"broker at {self._bootstrap} runs and lets us in, and try again"
            ) from error
        return {owner: places[TopicPartition(self._topic, owner.partition)] for owner in owners}

    async def _read_all(self, places: Mapping[TopicPartition, Shelf]) -> None:
        """Put all that partitions of the topic hold by now on their shelves."""
        # Not by seek_to_beginning: a reset to the end, begun at the assignment, may overtake it.
        consumer = AIOKafkaConsumer(
            **self._options,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_bytes=4 * FETCH_BYTES,
            max_partition_fetch_bytes=FETCH_BYTES,
        )
        try:
            await consumer.start()
            consumer.assign(list(places))
            ends = await consumer.end_offsets(list(places))
            while waiting := [p for p in places if await consumer.position(p) < ends[p]]:
                fetched = await consumer.getmany(*waiting, timeout_ms=500)
                for place, records in fetched.items():
                    await asyncio.to_thread(_note, places[place], records)
        finally:
            await consumer.stop()
        for place, shelf in places.items():
            shelf.end = max(shelf.end, ends[place])

    def _shelve(self, owner: Owner, kept: Kept, count: int) -> None:
        """Note what was written, or that somebody else writes to the same partition."""
        shelf = self._shelves.get(owner)
        if shelf is not None and shelf.end == kept.start and kept.manifest == kept.start + count:
            shelf.add(kept)
        else:
            self._shelves.pop(owner, None)

    async def _trim(self) -> None:
        """Delete what lies before the best two of each owner that has written meanwhile."""
        owners = list(self._untrimmed)
        self._untrimmed = {}
        try:
            await self._learn([owner for owner in owners if owner not in self._shelves])
            known = {o: self._shelves[o] for o in owners if o in self._shelves}
            spare = {owner: shelf.spare() for owner, shelf in known.items()}
            await self._delete({o.partition: s for o, s in spare.items() if s is not None})
        except (KafkaError, ServiceError) as error:
            logger.warning("old checkpoints could not be deleted, and pile up: %r", error)

    async def _learn(self, owners: list[Owner]) -> None:
        """Read what others wrote to the partitions of ``owners``."""
        shelves = await self._survey(owners)
        for shelf in shelves.values():
            shelf.let_go()
        self._shelves.update(shelves)

    async def _delete(self, before: dict[int, int]) -> None:
        if not before:
            return
        admin = AIOKafkaAdminClient(**self._options)
        try:
            await admin.start()
            places = {TopicPartition(self._topic, p): at for p, at in before.items()}
            wanted = {place: RecordsToDelete(before_offset=at) for place, at in places.items()}
            await admin.delete_records(wanted, timeout_ms=DELETE_MS)
        finally:
            await admin.close()


def _note(shelf: Shelf, records: list[Any]) -> None:
    for record in records:
        shelf.note(record.offset, record.key, record.value)
