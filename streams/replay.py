"""Replay: the steps of the live workers over recorded logs, without a broker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from tidecast.models.fold import Closed, ForecastFold, Given
from tidecast.state.cuts import Cut, PartitionList
from tidecast.state.partition import Batch, Outcome, Partition
from tidecast.state.settings import Settings
from tidecast.streams.logs import Dealer, LogReader, LogSpec, TimedLog, merge
from tidecast.streams.source_fold import SourceFold

__all__ = ["Counts", "Reading", "Replay", "Replayed"]

STRIDE = 64  # one record in so many is dated, to merge logs
TICK_BINS = 24  # how far logs may run ahead of each other: larger pieces decode faster


@dataclass
class Counts:
    """What a replay has met so far; ``events`` = accepted + late + refused + duplicates.

    ``unremembered`` are accepted events whose ids found no room.
    """

    events: int = 0
    accepted: int = 0
    late: int = 0
    refused: int = 0
    duplicates: int = 0
    unremembered: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        """Count one step of a partition."""
        self.accepted += outcome.accepted
        self.late += len(outcome.late)
        self.duplicates += outcome.duplicates
        self.unremembered += outcome.unremembered
        self.refused += len(outcome.refused)
        for rejected in outcome.refused:
            code = rejected.reason.partition(":")[0]
            self.reasons[code] = self.reasons.get(code, 0) + 1


class Reading(Protocol):
    """A file, or files, being read."""

    @property
    def total_bytes(self) -> int:
        """How much there is."""
        ...

    @property
    def read_bytes(self) -> int:
        """How much of it has been read."""
        ...


class Replayed(Protocol):
    """What is repeated without a broker: logs, or a recording."""

    counts: Counts
    fold: ForecastFold

    @property
    def readers(self) -> Sequence[Reading]:
        """What is read, to show how far."""
        ...

    def closed(self) -> Iterator[Closed]:
        """Yield what every closed bin gives."""
        ...


class Replay:
    """Folds logs as live workers fold topics: dealt out to partitions, ended explicitly."""

    def __init__(
        self,
        settings: Settings,
        logs: Sequence[LogSpec],
        partitions: int = 1,
        key: str | None = None,
        partition_field: str | None = None,
    ) -> None:
        self.counts = Counts()
        self.fold = ForecastFold(settings)
        self._logs = logs
        self._sources = {log.source.name: SourceFold(settings, log.source) for log in logs}
        self._dealers = {
            log.source.name: Dealer(log.source, partitions, key, partition_field) for log in logs
        }
        self._partitions = {
            name: [source.partition(number) for number in range(partitions)]
            for name, source in self._sources.items()
        }
        # Dates are only needed to merge; a single log is read without.
        self._timed = [TimedLog(log, STRIDE) for log in logs] if len(logs) > 1 else []
        readers = [log.reader for log in self._timed]
        self.readers: Sequence[LogReader] = readers or [LogReader(logs[0].path)]

    def cuts(self) -> Iterator[Cut]:
        """Yield every cut of the logs, ends of log included."""
        for name, records in self._read():
            self.counts.events += len(records)
            hands = self._dealers[name].split(records)
            for partition, hand in zip(self._partitions[name], hands, strict=True):
                if hand:
                    yield from self._fold(name, partition, hand)
        for partitions in self._partitions.values():
            for partition in partitions:
                outcome = partition.end(partition.next_offset)
                self.counts.add(outcome)
                yield from outcome.cuts

    def closed(self) -> Iterator[Closed]:
        """Yield what every closed bin gives."""
        yield from (closed for closed in self.outputs() if isinstance(closed, Closed))

    def outputs(self) -> Iterator[Given]:
        """Yield what every closed bin gives, and what came too late for its slab."""
        listed = [(name, p.partition) for name, ps in self._partitions.items() for p in ps]
        yield from self.fold.step(PartitionList(tuple(sorted(listed))))
        for cut in self.cuts():
            yield from self.fold.step(cut)

    def _fold(self, name: str, partition: Partition, records: list[bytes]) -> Iterator[Cut]:
        first = partition.next_offset
        offsets = np.arange(first, first + len(records))
        outcome = self._sources[name].step(partition, Batch(offsets, records))
        self.counts.add(outcome)
        yield from outcome.cuts

    def _read(self) -> Iterator[tuple[str, list[bytes]]]:
        """Yield (source, records), several logs merged by event time."""
        if not self._timed:
            for records in self.readers[0]:
                yield self._logs[0].source.name, records
            return
        tick = TICK_BINS * self.fold.slabs.rules.grid.nominal_width
        for piece in merge(self._timed, tick):
            yield piece.spec.source.name, piece.records
