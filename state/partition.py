"""One source partition's fold: batches of events in, cuts out; the same whatever the batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidecast.state.bins import BinGrid
from tidecast.state.cells import CellIndex
from tidecast.state.checkpoint import Arrays, prefixed, within
from tidecast.state.cuts import BinSums, Cut, Idle
from tidecast.state.events import Events, Refusal
from tidecast.state.gate import Gate, Held

__all__ = ["Batch", "Outcome", "Partition", "PartitionRules", "Rejected"]

DENSE_BINS = 4  # bins at once that are added up as one block
EXACT = 2**53  # the largest integer below which float64 sums are exact


@dataclass(frozen=True)
class PartitionRules:
    """The settings of a source that its partitions' folds obey; durations in microseconds."""

    source: str
    grid: BinGrid
    n_terms: int
    max_disorder: int
    allowed_lateness: int
    max_gap: int
    max_cells: int


@dataclass(frozen=True)
class Batch:
    """Raw records of one partition with their offsets; a tombstone is None."""

    offsets: NDArray[np.int64]
    records: Sequence[bytes | None]


@dataclass(frozen=True)
class Rejected:
    """A record that is in no slab: refused by the contract or the gate, or too late."""

    offset: int
    reason: str
    raw: bytes | None


@dataclass
class Outcome:
    """What one step gives: cuts in order, dead letters, and records that came too late."""

    cuts: list[Cut] = field(default_factory=list)
    refused: list[Rejected] = field(default_factory=list)
    late: list[Rejected] = field(default_factory=list)
    accepted: int = 0


class OpenBin:
    """The sums of a bin that may still change: (1 + term, cell); row 0 counts events."""

    def __init__(self, n_terms: int) -> None:
        self.sums = np.zeros((1 + n_terms, 0), np.int64)
        self.changed = False

    def add(self, sums: NDArray[np.int64]) -> None:
        """Add ``sums``, (1 + term, cell), of all cells known by now."""
        if sums.shape[1] > self.sums.shape[1]:
            self.sums = np.pad(self.sums, ((0, 0), (0, sums.shape[1] - self.sums.shape[1])))
        self.sums += sums
        self.changed = True


def add_up(places: NDArray[np.int64], terms: NDArray[np.int64], n_places: int) -> NDArray[np.int64]:
    """Return the exact sums, (1 + term, place), of ``terms``, (record, term); row 0 counts."""
    sums = np.empty((1 + terms.shape[1], n_places), np.int64)
    sums[0] = np.bincount(places, minlength=n_places)
    for row, addends in zip(sums[1:], terms.T, strict=True):
        if np.abs(addends).max(initial=0) * len(addends) < EXACT:
            row[:] = np.bincount(places, addends, n_places)
        else:
            row[:] = 0
            np.add.at(row, places, addends)
    return sums


class Partition:
    """The state of one source partition, and its step.

    ``through`` is the last bin that was cut (None before the first event); ``next_offset`` is
    where reading goes on. Bins before ``floor`` are closed for good: a restart under settings that
    allow more lateness cannot open again what was dropped.
    """

    def __init__(self, rules: PartitionRules, partition: int, next_offset: int = 0) -> None:
        self.rules = rules
        self.partition = partition
        self.next_offset = next_offset
        self.cells = CellIndex(rules.max_cells)
        self.gate = Gate(rules.max_gap)
        self.through: int | None = None
        self.since = 0
        self.high = 0
        self.floor = 0
        self.open: dict[int, OpenBin] = {}

    @property
    def watermark(self) -> int | None:
        """Microseconds UTC before which no event is expected, None before the first event."""
        return None if self.through is None else self.high - self.rules.max_disorder

    def step(self, batch: Batch, events: Events, refusals: Sequence[Refusal]) -> Outcome:
        """Fold one decoded batch; its first offset is ``next_offset`` or later."""
        outcome = Outcome()
        for refusal in refusals:
            place = refusal.index
            outcome.refused.append(
                Rejected(int(batch.offsets[place]), refusal.reason, batch.records[place])
            )
        at = 0
        while at < len(events):
            free = self.gate.free_run(events.time[at:])
            if free:
                self._act(_slice(events, at, at + free), batch, outcome)
                at += free
                continue
            self._hold(_held(events, at, batch), outcome)
            at += 1
        if len(batch.offsets):
            self.next_offset = int(batch.offsets[-1]) + 1
        return outcome

    def end(self, offset: int) -> Outcome:
        """Close all that is open: the log says at ``offset`` that it ends."""
        outcome = Outcome()
        self._decide(self.gate.finish(), offset, outcome)
        boundary = -1
        if self.through is not None:
            boundary = max(self.through, int(self.rules.grid.index(np.array([self.high]))[0]))
            self._cut(boundary, offset, outcome)
        last = Cut(self.rules.source, self.partition, self.since, boundary, offset, ended=True)
        outcome.cuts.append(last)
        self.next_offset = offset + 1
        return outcome

    def idle(self) -> Idle:
        """Return the decision that this partition is silent, with what it has open."""
        bins = tuple(BinSums.of(b, self.cells, self.open[b].sums) for b in sorted(self.open))
        return Idle(self.rules.source, self.partition, self.next_offset, bins)

    def _hold(self, record: Held, outcome: Outcome) -> None:
        self._decide(self.gate.offer(record), record.offset, outcome)

    def _decide(self, decided: list[tuple[Held, bool]], upto: int, outcome: Outcome) -> None:
        for record, acts in decided:
            if acts:
                self._act_one(record, upto, outcome)
            else:
                outcome.refused.append(
                    Rejected(
                        record.offset,
                        "time_jump: the event time lies more than max_gap ahead of its "
                        "partition's, and the records after it disagree",
                        record.raw,
                    )
                )

    def _act_one(self, record: Held, upto: int, outcome: Outcome) -> None:
        events = Events(
            np.zeros(1, np.int64),
            np.array([record.time]),
            np.array([record.cell], np.int32),
            record.terms[None, :],
        )
        self._act(events, Batch(np.array([record.offset]), [record.raw]), outcome, upto)

    def _act(self, events: Events, batch: Batch, outcome: Outcome, upto: int | None = None) -> None:
        """Add events the gate let through, cutting where they move the watermark."""
        rules, grid = self.rules, self.rules.grid
        if self.through is None:
            self.high = int(events.time[0])
            self.through = int(grid.index(events.time[:1] - rules.max_disorder)[0]) - 1
            self.since = self.through + 1
        highs = np.maximum.accumulate(np.concatenate(([self.high], events.time)))
        through = grid.index(highs - rules.max_disorder) - 1
        through = np.maximum(through, self.through)  # an end of log may have cut further
        bins = grid.index(events.time)
        keep = bins > through[:-1]
        if not keep.all():
            keep = self._sort_late(bins, keep, highs, events, batch, outcome)
        at = 0
        for cut in np.flatnonzero(through[1:] > through[:-1]):
            self._add(bins, events, keep, at, int(cut))
            at = int(cut)
            self.high = int(highs[at + 1])
            offset = int(batch.offsets[events.index[at]]) if upto is None else upto
            self._cut(int(through[at + 1]), offset, outcome)
        self._add(bins, events, keep, at, len(events))
        self.high = int(highs[-1])
        outcome.accepted += int(keep.sum())

    def _sort_late(
        self,
        bins: NDArray[np.int64],
        keep: NDArray[np.bool_],
        highs: NDArray[np.int64],
        events: Events,
        batch: Batch,
        outcome: Outcome,
    ) -> NDArray[np.bool_]:
        """Keep late events whose bin may still be corrected; send the others out."""
        rules = self.rules
        for place in np.flatnonzero(~keep):
            watermark = highs[place] - rules.max_disorder
            keep[place] = (
                bins[place] >= self.floor
                and rules.grid.end(int(bins[place])) + rules.allowed_lateness > watermark
            )
            if not keep[place]:
                index = int(events.index[place])
                outcome.late.append(
                    Rejected(
                        int(batch.offsets[index]),
                        "late: its bin ended more than allowed_lateness before the watermark",
                        batch.records[index],
                    )
                )
        return keep

    def _add(
        self,
        bins: NDArray[np.int64],
        events: Events,
        keep: NDArray[np.bool_],
        start: int,
        stop: int,
    ) -> None:
        if start == stop:
            return
        here = slice(start, stop)
        bins, cells, terms = bins[here], events.cell[here], events.terms[here]
        if not keep[here].all():
            kept = keep[here]
            if not kept.any():
                return
            bins, cells, terms = bins[kept], cells[kept], terms[kept]
        first, n_cells = int(bins.min()), len(self.cells)
        span = int(bins.max()) - first + 1
        if span > DENSE_BINS:  # few records far apart: a block of all bins between would be huge
            numbers, bins = np.unique(bins, return_inverse=True)
        else:
            numbers, bins = np.arange(first, first + span), bins - first
        sums = add_up(bins * n_cells + cells, terms, len(numbers) * n_cells)
        for number, part in enumerate(numbers.tolist()):
            block = sums[:, number * n_cells : (number + 1) * n_cells]
            if block[0].any():
                if part not in self.open:
                    self.open[part] = OpenBin(self.rules.n_terms)
                self.open[part].add(block)

    def _cut(self, boundary: int, upto: int, outcome: Outcome) -> None:
        """Emit the cuts that moving ``through`` up to ``boundary`` gives, and drop what is done."""
        through = -1 if self.through is None else self.through
        due: dict[int, list[BinSums]] = {}
        for bin_ in sorted(b for b in self.open if b <= boundary):
            held = self.open[bin_]
            if held.changed:
                at = min(max(bin_, through + 1), boundary)
                due.setdefault(at, []).append(BinSums.of(bin_, self.cells, held.sums))
                held.changed = False
        if boundary > through:
            due.setdefault(boundary, [])
        name = self.rules.source
        for at in sorted(due):
            cut = Cut(name, self.partition, self.since, at, upto, tuple(due[at]))
            outcome.cuts.append(cut)
            self.since = at + 1
        self.through = max(through, boundary)
        watermark = self.high - self.rules.max_disorder
        for bin_ in [b for b in self.open if b <= self.through]:
            if self.rules.grid.end(bin_) + self.rules.allowed_lateness <= watermark:
                del self.open[bin_]

    def _dropped_below(self) -> int:
        """Return the first bin that the rules of now have not dropped."""
        if self.watermark is None:
            return self.floor
        reached = np.array([self.watermark - self.rules.allowed_lateness])
        return max(self.floor, int(self.rules.grid.index(reached)[0]))

    def snapshot(self) -> tuple[dict[str, Any], Arrays]:
        """Return what ``restore`` needs: plain values and arrays."""
        gate, held = self.gate.snapshot()
        values = {
            "next_offset": self.next_offset,
            "through": self.through,
            "since": self.since,
            "high": self.high,
            "floor": self._dropped_below(),
            "cells": self.cells.cells,
            "overflowed": self.cells.overflowed,
            "gate": gate,
            "changed": {str(bin_): part.changed for bin_, part in self.open.items()},
        }
        n_cells = len(self.cells)
        return values, prefixed("held", held) | {
            f"open/{bin_}": part.sums[:, :n_cells] for bin_, part in self.open.items()
        }

    def restore(self, values: dict[str, Any], arrays: Arrays) -> None:
        """Become the partition that ``snapshot`` was taken of."""
        self.next_offset, self.through = values["next_offset"], values["through"]
        self.since, self.high = values["since"], values["high"]
        self.floor = values["floor"]
        self.cells = CellIndex(self.rules.max_cells, values["cells"])
        self.cells.overflowed = values["overflowed"]
        self.gate.restore(values["gate"], within("held", arrays))
        self.open = {}
        for bin_, sums in within("open", arrays).items():
            part = self.open[int(bin_)] = OpenBin(self.rules.n_terms)
            part.sums = sums
            part.changed = values["changed"][bin_]


def _slice(events: Events, start: int, stop: int) -> Events:
    if start == 0 and stop == len(events):
        return events
    return replace(
        events,
        index=events.index[start:stop],
        time=events.time[start:stop],
        cell=events.cell[start:stop],
        terms=events.terms[start:stop],
    )


def _held(events: Events, at: int, batch: Batch) -> Held:
    index = int(events.index[at])
    return Held(
        int(batch.offsets[index]),
        int(events.time[at]),
        int(events.cell[at]),
        events.terms[at],
        batch.records[index] or b"",
    )
