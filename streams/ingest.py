"""Ingest: batches of raw source records in, cuts out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from faust.types import TP

from tidecast.state.bins import BinGrid
from tidecast.state.checkpoint import pack, unpack
from tidecast.state.cuts import END_OF_LOG
from tidecast.state.events import Events, Refusal
from tidecast.state.partition import Batch, Outcome, Partition, PartitionRules
from tidecast.state.settings import Settings, SourceSettings
from tidecast.state.terms import source_terms
from tidecast.streams.checkpoints import Checkpoint, CheckpointLog, Owner
from tidecast.streams.decode import Decoder
from tidecast.streams.metrics import IngestMetrics
from tidecast.streams.sender import Sender
from tidecast.streams.threads import OneThread
from tidecast.streams.topics import topic_names
from tidecast.streams.wire import encode_input, encode_rejected

__all__ = ["IngestRole", "SourceFold"]

logger = logging.getLogger(__name__)
ROOM = 4  # ingest numbers this many times max_cells a partition; the slabs' own limit rules


class SourceFold:
    """What the partitions of one source share: the rules, and the decoder. No broker needed."""

    def __init__(self, settings: Settings, source: SourceSettings) -> None:
        self.source = source
        self.rules = PartitionRules(
            source=source.name,
            grid=BinGrid(settings.bins.width, settings.shop.time_zone),
            n_terms=len(source_terms(settings, source)),
            max_disorder=source.max_disorder,
            allowed_lateness=source.allowed_lateness,
            max_gap=source.max_gap,
            max_cells=ROOM * settings.limits.max_cells,
        )
        self._decoder = Decoder(settings, source)

    def partition(self, number: int) -> Partition:
        """Return the fold of a partition that nothing was read of yet."""
        return Partition(self.rules, number)

    def step(self, partition: Partition, batch: Batch) -> Outcome:
        """Decode and fold one batch, ending the log wherever a record says so."""
        events, refusals = self._decoder.decode(batch.records, partition.cells)
        ends = [r.index for r in refusals if batch.records[r.index] == END_OF_LOG]
        if not ends:
            return partition.step(batch, events, refusals)
        outcome, start = Outcome(), 0
        for stop in [*ends, len(batch.records)]:
            _extend(outcome, partition.step(*_part(batch, events, refusals, start, stop)))
            if stop in ends:
                _extend(outcome, partition.end(int(batch.offsets[stop])))
            start = stop + 1
        return outcome


def _part(
    batch: Batch, events: Events, refusals: Sequence[Refusal], start: int, stop: int
) -> tuple[Batch, Events, list[Refusal]]:
    """Return the records from ``start`` to ``stop``, counted from ``start``."""
    inside = (events.index >= start) & (events.index < stop)
    return (
        Batch(batch.offsets[start:stop], batch.records[start:stop]),
        Events(
            events.index[inside] - start,
            events.time[inside],
            events.cell[inside],
            events.terms[inside],
        ),
        [Refusal(r.index - start, r.reason) for r in refusals if start <= r.index < stop],
    )


def _extend(outcome: Outcome, more: Outcome) -> None:
    outcome.cuts += more.cuts
    outcome.refused += more.refused
    outcome.late += more.late
    outcome.accepted += more.accepted


@dataclass
class Reading:
    """A source partition being read: its fold, and when it last had a record."""

    source: SourceFold
    state: Partition
    heard: float
    is_idle: bool = False
    is_changed: bool = False


class IngestRole:
    """Folds the source partitions assigned to this worker, one agent per stream kind."""

    name = "ingest"
    checkpoint_seconds = 2.0

    def __init__(self, settings: Settings, sender: Sender) -> None:
        self.groups: Mapping[str, Sequence[str]] = {
            f"ingest-{kind}": [source.topic for source in settings.sources_of(kind)]
            for kind in dict.fromkeys(source.stream for source in settings.sources)
        }
        self._settings = settings
        self._fingerprint = settings.fingerprint()
        self._topics = topic_names(settings.kafka.topic_prefix)
        self._sources = {s.topic: SourceFold(settings, s) for s in settings.sources}
        self._sender = sender
        self._log = CheckpointLog(settings)
        self._thread = OneThread("decode")
        self._metrics = IngestMetrics()
        self._readings: dict[TP, Reading] = {}

    async def open(self, assigned: Sequence[TP]) -> dict[TP, int]:
        """Load the checkpoints; a partition without one is read from its beginning."""
        owners = {
            tp: Owner.source(self._settings, self._sources[tp.topic].source.name, tp.partition)
            for tp in assigned
        }
        found = await self._log.read(list(owners.values()))
        now = asyncio.get_running_loop().time()
        self._readings = {}
        for tp, owner in owners.items():
            source = self._sources[tp.topic]
            state = source.partition(tp.partition)
            if owner in found:
                state.restore(*unpack(found[owner].data))
            self._readings[tp] = Reading(source, state, now)
        return {tp: reading.state.next_offset for tp, reading in self._readings.items()}

    async def take(self, tp: TP, batch: Batch) -> AsyncIterator[None]:
        """Fold a batch; records before the checkpoint's position were folded already."""
        reading = self._readings.get(tp)
        if reading is None:
            return
        batch = _unread(batch, reading.state.next_offset)
        loop = asyncio.get_running_loop()
        outcome = await self._thread.run(reading.source.step, reading.state, batch)
        reading.heard, reading.is_idle, reading.is_changed = loop.time(), False, True
        await self._send(tp, reading, outcome)
        self._metrics.note(reading.source.source.name, reading.state, outcome)
        yield

    async def _send(self, tp: TP, reading: Reading, outcome: Outcome) -> None:
        name = reading.source.source.name
        for cut in outcome.cuts:
            value = encode_input(cut, self._fingerprint)
            await self._sender.send(self._topics.cuts, value, partition=0)
        for rejects, topic in (
            (outcome.refused, self._topics.dead_letters),
            (outcome.late, self._topics.late),
        ):
            for rejected in rejects:
                value = encode_rejected(rejected, name, tp.topic, tp.partition)
                await self._sender.send(topic, value)

    async def idle(self, ends: dict[TP, int]) -> None:
        """Decide that partitions silent for their idle timeout, and read to ``ends``, are idle."""
        now = asyncio.get_running_loop().time()
        for tp, reading in self._readings.items():
            timeout = reading.source.source.idle_timeout / 1e6
            silent = now - reading.heard > timeout and not reading.is_idle
            if silent and tp in ends and reading.state.next_offset >= ends[tp]:
                reading.is_idle = True
                value = encode_input(reading.state.idle(), self._fingerprint)
                await self._sender.send(self._topics.cuts, value, partition=0)
                logger.info("%s/%d is idle: time goes on without it", *tp)

    async def checkpoint(self) -> dict[TP, int]:
        """Await the outputs, then write the checkpoints of what has moved."""
        await self._sender.delivered()
        changed = {tp: r for tp, r in self._readings.items() if r.is_changed}
        positions = {}
        for tp, reading in changed.items():
            values, arrays = reading.state.snapshot()
            data = await self._thread.run(pack, values, arrays)
            reading.is_changed = False
            position = reading.state.next_offset
            owner = Owner.source(self._settings, reading.source.source.name, tp.partition)
            await self._log.write(self._sender, owner, Checkpoint(position, data))
            positions[tp] = position
        return positions


def _unread(batch: Batch, position: int) -> Batch:
    first = int(np.searchsorted(batch.offsets, position))
    if first == 0:
        return batch
    return Batch(batch.offsets[first:], batch.records[first:])
