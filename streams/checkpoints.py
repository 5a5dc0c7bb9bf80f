"""Checkpoints in a Kafka topic: chunks of bytes, completed by a manifest.

Each owner (a source partition's ingest, a shard's forecaster) has a partition of the topic to
itself. The reader takes the whole checkpoint with the largest input position, not the last one: a
stale writer cannot take anybody back. Only ``CheckpointLog.trim`` deletes, and keeps the last two.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from dataclasses import dataclass, field

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from pydantic import ValidationError

from tidecast.state.errors import CheckpointError
from tidecast.state.settings import Settings
from tidecast.streams.clients import aiokafka_options
from tidecast.streams.schemas.records import CheckpointManifest
from tidecast.streams.sender import Sender
from tidecast.streams.topics import topic_names

__all__ = ["Checkpoint", "CheckpointLog", "Owner"]

logger = logging.getLogger(__name__)
CHUNK_BYTES = 512 * 1024
KEEP = 2
TRIM_EVERY = 20


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


@dataclass(frozen=True)
class Checkpoint:
    """A state, and the offset of the input that goes on from it."""

    position: int
    data: bytes


@dataclass
class Reader:
    """What was read so far of one owner's checkpoints."""

    owner: Owner
    best: Checkpoint | None = None
    chunks: dict[bytes, bytes] = field(default_factory=dict)


class CheckpointLog:
    """Writes and reads the checkpoints of owners."""

    def __init__(self, settings: Settings) -> None:
        self._options = aiokafka_options(settings.kafka)
        self._topic = topic_names(settings.kafka.topic_prefix).checkpoints
        self._fingerprint = settings.fingerprint()
        self._starts: dict[Owner, list[int]] = {}

    async def write(self, sender: Sender, owner: Owner, checkpoint: Checkpoint) -> None:
        """Write all chunks, await them, then write the manifest, and await it."""
        digest = hashlib.sha256(checkpoint.data).hexdigest()
        identity = f"{checkpoint.position}-{digest[:12]}"
        chunks = _chunks(checkpoint.data)
        keys = [f"{owner.name}/{identity}/{number}".encode() for number in range(len(chunks))]
        sent = [
            await sender.send(self._topic, chunk, key, owner.partition)
            for key, chunk in zip(keys, chunks, strict=True)
        ]
        acknowledged = await asyncio.gather(*sent)
        manifest = CheckpointManifest(
            owner=owner.name,
            id=identity,
            position=checkpoint.position,
            settings=self._fingerprint,
            chunks=len(chunks),
            size=len(checkpoint.data),
            sha256=digest,
        )
        value = orjson.dumps(manifest.model_dump())
        await (await sender.send(self._topic, value, owner.name.encode(), owner.partition))
        await self._trim(owner, acknowledged[0].offset)

    async def read(self, owners: list[Owner]) -> dict[Owner, Checkpoint]:
        """Return the whole checkpoint with the largest position of each owner that has one.

        Raises
        ------
        CheckpointError
            When a checkpoint was made under other settings.
        """
        if not owners:
            return {}
        places = {TopicPartition(self._topic, owner.partition): owner for owner in owners}
        # Not by seek_to_beginning: a reset to the end, begun at the assignment, may overtake it.
        consumer = AIOKafkaConsumer(
            **self._options, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            consumer.assign(list(places))
            ends = await consumer.end_offsets(list(places))
            readers = {place: Reader(owner) for place, owner in places.items()}
            while waiting := [p for p in places if await consumer.position(p) < ends[p]]:
                fetched = await consumer.getmany(*waiting, timeout_ms=500)
                for place, records in fetched.items():
                    for record in records:
                        self._note(readers[place], record.key, record.value)
        finally:
            await consumer.stop()
        return {r.owner: r.best for r in readers.values() if r.best is not None}

    def _note(self, reader: Reader, key: bytes, value: bytes) -> None:
        if key != reader.owner.name.encode():
            reader.chunks[key] = value
            return
        found = self._assemble(reader.owner, value, reader.chunks)
        if found is not None and (reader.best is None or found.position >= reader.best.position):
            reader.best = found

    def _assemble(
        self, owner: Owner, value: bytes, chunks: dict[bytes, bytes]
    ) -> Checkpoint | None:
        """Return the checkpoint a manifest completes, None where it is damaged."""
        try:
            manifest = CheckpointManifest.model_validate_json(value)
        except ValidationError:
            logger.warning("a manifest of %s cannot be read: passed over", owner.name)
            return None
        if manifest.settings != self._fingerprint:
            raise CheckpointError(
                f"the checkpoint of {owner.name} was made under other settings "
                f"({manifest.settings}, now {self._fingerprint}): go back to those settings, or "
                "choose another kafka.topic_prefix to start afresh"
            )
        keys = [f"{owner.name}/{manifest.id}/{n}".encode() for n in range(manifest.chunks)]
        data = b"".join(chunks.pop(key, b"") for key in keys)
        if hashlib.sha256(data).hexdigest() != manifest.sha256:
            logger.warning("checkpoint %s of %s is damaged: passed over", manifest.id, owner.name)
            return None
        return Checkpoint(manifest.position, data)

    async def _trim(self, owner: Owner, start: int) -> None:
        """Now and then delete what lies before the last checkpoints of ``owner``."""
        starts = self._starts.setdefault(owner, [])
        starts.append(start)
        if len(starts) < TRIM_EVERY:
            return
        self._starts[owner] = starts[-KEEP:]
        admin = AIOKafkaAdminClient(**self._options)
        await admin.start()
        try:
            place = TopicPartition(self._topic, owner.partition)
            await admin.delete_records({place: RecordsToDelete(before_offset=starts[-KEEP])})
        finally:
            await admin.close()


def _chunks(data: bytes) -> list[bytes]:
    return [data[at : at + CHUNK_BYTES] for at in range(0, max(len(data), 1), CHUNK_BYTES)]
