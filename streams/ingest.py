"""Ingest: batches of raw source records in, cuts out."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from faust.types import TP

from tidecast.state.checkpoint import compress, lay_out, unpack
from tidecast.state.cuts import Join
from tidecast.state.partition import (
    Batch,
    Outcome,
    Partition,
    Rejected,
)
from tidecast.state.settings import Settings
from tidecast.streams.checkpoints import Checkpoint, CheckpointLog, Owner
from tidecast.streams.continuity import (
    lost_before,
    refuse_another_topic,
    refuse_forgotten,
    steady_extents,
)
from tidecast.streams.extent import Extent
from tidecast.streams.metrics import IngestMetrics
from tidecast.streams.role import Save
from tidecast.streams.run_ahead import RunAhead
from tidecast.streams.sender import Sender
from tidecast.streams.source_fold import SourceFold
from tidecast.streams.threads import OneThread
from tidecast.streams.topics import topic_names
from tidecast.streams.upstream import Upstream
from tidecast.streams.wire import encode_input, encode_rejected

__all__ = ["TOPIC_ID", "IngestRole"]

logger = logging.getLogger(__name__)
AWAKE_SECONDS = 5.0  # what passes between two looks beyond this, the worker slept or was busy
Message = tuple[str, bytes, int | None]  # topic, value, partition
TOPIC_ID = "topic_id"  # beside the values of the partition in its checkpoint


@dataclass
class Reading:
    """A source partition being read: its fold, and for how long it has been silent."""

    source: SourceFold
    state: Partition
    topic_id: str | None
    first: int | None  # the first bin that this owner knows it was cut from
    silent: float = 0.0  # seconds in which we were awake
    is_idle: bool = False
    is_held: bool = False
    is_changed: bool = False

    @property
    def name(self) -> str:
        """The source's name."""
        return self.source.source.name


@dataclass(frozen=True)
class Copy:
    """The state of a source partition as it was at ``position``, on its way to a checkpoint.

    ``rank`` goes on where the topic was made anew: of two the larger one is the later.
    """

    place: TP
    source: str
    position: int
    rank: int
    laid_out: bytes


class IngestRole:
    """Folds the source partitions assigned to this worker, one agent per stream kind."""

    name = "ingest"
    checkpoint_seconds = 2.0
    trouble: str | None = None

    def __init__(
        self,
        settings: Settings,
        sender: Sender,
        upstream: Upstream,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.groups: Mapping[str, Sequence[str]] = {
            f"ingest-{kind}": [source.topic for source in settings.sources_of(kind)]
            for kind in dict.fromkeys(source.stream for source in settings.sources)
        }
        self._settings = settings
        self._fingerprint = settings.fingerprint()
        self._topics = topic_names(settings.kafka.topic_prefix)
        self._sources = {s.topic: SourceFold(settings, s) for s in settings.sources}
        self._sender = sender
        self._upstream = upstream
        self._ahead = RunAhead(settings.limits.max_ahead, upstream.next_bin, clock)
        self._clock, self._looked = clock, clock()
        self._log = CheckpointLog(settings)
        self._thread = OneThread("decode")
        self._packing = OneThread("compress")  # of its own: decoding goes on beside it
        self._metrics = IngestMetrics()
        self._readings: dict[TP, Reading] = {}

    async def open(self, assigned: Sequence[TP]) -> dict[TP, int]:
        """Load the checkpoints; a partition without one is read from its beginning.

        Raises
        ------
        CheckpointError
            When a topic is not the one that its checkpoint was made of, or a checkpoint is gone.
        """
        self._readings = {}
        if not assigned:
            return {}
        owners = {
            tp: Owner.source(self._settings, self._sources[tp.topic].source.name, tp.partition)
            for tp in assigned
        }
        await self._upstream.room_for(max(owner.partition for owner in owners.values()))
        found = await self._log.read(list(owners.values()))
        ids = await self._upstream.identities(tp.topic for tp in assigned)
        for tp, owner in owners.items():
            self._readings[tp] = self._restored(tp, found.get(owner), ids[tp.topic])
        positions = {tp: reading.state.next_offset for tp, reading in self._readings.items()}
        extents = await steady_extents(self._upstream, positions)
        for tp, owner in owners.items():
            if owner in found:
                await self._skip_lost(tp, lost_before(positions[tp], extents[tp]))
            else:
                await self._begin(tp, extents[tp])
        await self._sender.delivered()
        await self._hold_ahead()
        for reading in self._readings.values():
            self._metrics.note(reading.name, reading.state, Outcome())
        return {tp: reading.state.next_offset for tp, reading in self._readings.items()}

    def _restored(self, tp: TP, found: Checkpoint | None, topic_id: str | None) -> Reading:
        source = self._sources[tp.topic]
        state = source.partition(tp.partition)
        if found is None:
            return Reading(source, state, topic_id, None)
        values, arrays = unpack(found.data)
        refuse_another_topic(source.source.name, tp.topic, values.get(TOPIC_ID), topic_id)
        state.restore(values, arrays)
        return Reading(source, state, topic_id, None if state.through is None else state.since)

    async def _begin(self, tp: TP, extent: Extent) -> None:
        """Begin a partition that nothing was read of; slabs are to wait for it from now on."""
        reading = self._readings[tp]
        group = f"{self._settings.kafka.group}.{self.name}"
        refuse_forgotten(tp, await self._upstream.committed(tp), group)
        reading.state.next_offset = extent.beginning
        value = encode_input(Join(reading.name, tp.partition), self._fingerprint)
        await self._sender.send(self._topics.cuts, value, partition=0)

    async def _skip_lost(self, tp: TP, lost: range) -> None:
        """Go on after records that were deleted before they were read, and say so."""
        if not lost:
            return
        reading = self._readings[tp]
        reason = (
            f"lost: offsets {lost.start} to {lost.stop - 1} were deleted before they were read: "
            "give the topic a longer retention"
        )
        logger.warning("%s/%d: %s", *tp, reason)
        rejected = Rejected(lost.start, reason, None)
        value = encode_rejected(rejected, reading.name, tp.topic, tp.partition)
        await self._sender.send(self._topics.dead_letters, value)
        self._metrics.lost(reading.name, tp.partition, len(lost))
        reading.state.next_offset = lost.stop
        reading.is_changed = True

    async def take(self, tp: TP, batch: Batch) -> AsyncIterator[None]:
        """Fold a batch; records before the checkpoint's position were folded already."""
        reading = self._readings.get(tp)
        if reading is None:
            return
        if int(batch.offsets[0]) != reading.state.next_offset:
            batch = await self._mended(tp, reading, batch)
        outcome = await self._thread.run(reading.source.step, reading.state, batch)
        reading.silent, reading.is_idle, reading.is_changed = 0.0, False, True
        if reading.first is None and outcome.cuts:
            reading.first = outcome.cuts[0].since
        await self._send(tp, reading, outcome)
        self._metrics.note(reading.name, reading.state, outcome)
        if await self._ahead.is_ahead(reading.first, reading.state.through):
            await self._hold([tp])
        yield

    async def _mended(self, tp: TP, reading: Reading, batch: Batch) -> Batch:
        """Return what is new of a batch that does not go on where the last one ended.

        A consumer whose position is deleted, or beyond the end, begins again without a word.
        """
        position, first = reading.state.next_offset, int(batch.offsets[0])
        if first > position:
            extents = await self._upstream.extents([tp])
            await self._skip_lost(tp, lost_before(position, extents[tp], first))
            return batch
        found = (await self._upstream.identities([tp.topic]))[tp.topic]
        refuse_another_topic(reading.name, tp.topic, reading.topic_id, found)
        await steady_extents(self._upstream, {tp: position})
        return _unread(batch, position)

    async def _send(self, tp: TP, reading: Reading, outcome: Outcome) -> None:
        if outcome.cuts or outcome.refused or outcome.late:
            for topic, value, partition in await self._thread.run(
                self._encoded, tp, reading.name, outcome
            ):
                await self._sender.send(topic, value, partition=partition)

    def _encoded(self, tp: TP, name: str, outcome: Outcome) -> list[Message]:
        """Return what is to be sent of an outcome; beside the event loop, a cut may be large."""
        cuts = [encode_input(cut, self._fingerprint) for cut in outcome.cuts]
        messages: list[Message] = [(self._topics.cuts, value, 0) for value in cuts]
        for rejects, topic in (
            (outcome.refused, self._topics.dead_letters),
            (outcome.late, self._topics.late),
        ):
            for rejected in rejects:
                value = encode_rejected(rejected, name, tp.topic, tp.partition)
                messages.append((topic, value, None))
        return messages

    async def idle(self) -> None:
        """Hold back who runs ahead; decide that who is silent, and read to its end, is idle."""
        await self._hold_ahead()
        before, self._looked = self._looked, self._clock()
        awake = min(self._looked - before, AWAKE_SECONDS)
        due = []
        for tp, reading in self._readings.items():
            reading.silent += awake
            timeout = reading.source.source.idle_timeout / 1e6
            if reading.silent > timeout and not reading.is_idle and not reading.is_held:
                due.append(tp)
        reach = await self._upstream.reach(due) if due else {}
        for tp, end in reach.items():
            if self._readings[tp].state.next_offset >= end:
                await self._decide_idle(tp, self._readings[tp])

    async def _decide_idle(self, tp: TP, reading: Reading) -> None:
        reading.is_idle = True
        value = encode_input(reading.state.idle(), self._fingerprint)
        await self._sender.send(self._topics.cuts, value, partition=0)
        logger.info("%s/%d is idle: time goes on without it", *tp)

    async def _hold_ahead(self) -> None:
        """Hold back the partitions that run ahead of the slabs, and release the others."""
        ahead: list[TP] = []
        others: list[TP] = []
        for tp, reading in self._readings.items():
            is_ahead = await self._ahead.is_ahead(reading.first, reading.state.through)
            if is_ahead != reading.is_held:
                (ahead if is_ahead else others).append(tp)
        await self._hold(ahead)
        if others:
            await self._upstream.release(others)
        for tp in others:
            self._readings[tp].is_held, self._readings[tp].silent = False, 0.0
            logger.info("%s/%d goes on", *tp)

    async def _hold(self, places: Sequence[TP]) -> None:
        fresh = [tp for tp in places if not self._readings[tp].is_held]
        if fresh:
            await self._upstream.hold(fresh)
        for tp in fresh:
            self._readings[tp].is_held = True
            logger.info("%s/%d waits: it is more than max_ahead bins ahead of the slabs", *tp)

    async def checkpoint(self) -> Save:
        """Copy what has moved; it is compressed and written while the folds go on."""
        delivered = self._sender.delivered()
        changed = {tp: r for tp, r in self._readings.items() if r.is_changed}
        copies = await self._thread.run(lambda: [_copied(tp, r) for tp, r in changed.items()])
        for reading in changed.values():
            reading.is_changed = False
        return self._save(delivered, copies)

    async def _save(self, delivered: Awaitable[Any], copies: Sequence[Copy]) -> dict[TP, int]:
        """Await the outputs, then write the checkpoints."""
        await delivered
        # Side by side: while the broker answers for one, the next is packed.
        await asyncio.gather(*(self._write(copy) for copy in copies))
        return {copy.place: copy.position for copy in copies}

    async def _write(self, copy: Copy) -> None:
        data = await self._packing.run(compress, copy.laid_out)
        owner = Owner.source(self._settings, copy.source, copy.place.partition)
        await self._log.write(self._sender, owner, Checkpoint(copy.rank, data))


def _copied(place: TP, reading: Reading) -> Copy:
    state = reading.state
    values, arrays = state.snapshot()
    values[TOPIC_ID] = reading.topic_id
    position = state.next_offset
    return Copy(place, reading.name, position, state.base + position, lay_out(values, arrays))


def _unread(batch: Batch, position: int) -> Batch:
    first = int(np.searchsorted(batch.offsets, position))
    if first == 0:
        return batch
    return Batch(batch.offsets[first:], batch.records[first:])
