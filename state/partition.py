"""One source partition's fold: batches of events in, cuts out; the same whatever the batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidecast.state.bins import BinGrid
from tidecast.state.cells import CellIndex
from tidecast.state.checkpoint import Arrays
from tidecast.state.cuts import BinSums, Cut, Idle
from tidecast.state.event_ids import NO_ID, EventIds
from tidecast.state.events import Events, Refusal
from tidecast.state.gate import Gate, Held
from tidecast.state.open_bins import OpenBin, sums_by_bin
from tidecast.state.scopes import nested, scoped

__all__ = ["Batch", "Outcome", "Partition", "PartitionRules", "Rejected"]

TIME_JUMP = (
    "time_jump: the event time lies more than max_gap ahead of its partition's, "
    "and the records after it disagree"
)
STRIDE = 256  # events looked at together behind one that was held


@dataclass(frozen=True)
class PartitionRules:
    """The settings of a source that its partitions' folds obey; durations in microseconds.

    With ``max_event_ids`` events are de-duplicated, by so many ids at most.
    """

    source: str
    grid: BinGrid
    n_terms: int
    max_disorder: int
    allowed_lateness: int
    max_gap: int
    max_cells: int
    max_event_ids: int = 0


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
    """What one step gives: cuts in order, dead letters, and records that came too late.

    Of ``accepted`` records, of ``duplicates``, and of those accepted whose repetitions are not
    known (``unremembered``), it tells how many there were.
    """

    cuts: list[Cut] = field(default_factory=list)
    refused: list[Rejected] = field(default_factory=list)
    late: list[Rejected] = field(default_factory=list)
    accepted: int = 0
    duplicates: int = 0
    unremembered: int = 0

    def add(self, more: Outcome) -> None:
        """Add what the next step gives."""
        self.cuts += more.cuts
        self.refused += more.refused
        self.late += more.late
        self.accepted += more.accepted
        self.duplicates += more.duplicates
        self.unremembered += more.unremembered


class Partition:
    """The state of one source partition, and its step.

    ``through`` is the last bin that was cut (None before the first event); ``next_offset`` is
    where reading goes on. Bins before ``floor`` are closed for good: a restart under settings that
    allow more lateness cannot open again what was dropped. Cuts and decisions count offsets from
    ``base`` on: how many there were before the topic was made anew.
    """

    def __init__(self, rules: PartitionRules, partition: int, next_offset: int = 0) -> None:
        self.rules = rules
        self.partition = partition
        self.next_offset = next_offset
        self.cells = CellIndex(rules.max_cells)
        self.base = 0
        self.gate = Gate(rules.max_gap, rules.max_disorder, rules.grid.nominal_width)
        self.ids = EventIds(rules.max_event_ids) if rules.max_event_ids else None
        self.through: int | None = None
        self.since = 0
        self.high = 0
        self.floor = 0
        self.open: dict[int, OpenBin] = {}

    @property
    def watermark(self) -> int | None:
        """Microseconds UTC before which no event is expected, None before the first event."""
        return None if self.through is None else self.high - self.rules.max_disorder

    @property
    def unremembered(self) -> int:
        """How many events had an id that found no room: their repetitions are not known."""
        return 0 if self.ids is None else self.ids.unremembered

    def begin_anew(self) -> None:
        """Go on with the first record of a topic that was deleted and made again."""
        self.base += self.next_offset
        self.next_offset = 0

    def step(self, batch: Batch, events: Events, refusals: Sequence[Refusal]) -> Outcome:
        """Fold one decoded batch; its first offset is ``next_offset`` or later."""
        outcome = Outcome()
        for refusal in refusals:
            place = refusal.index
            outcome.refused.append(
                Rejected(int(batch.offsets[place]), refusal.reason, batch.records[place])
            )
        at, stride = 0, len(events)
        while at < len(events):
            free = self.gate.free_run(events.time[at : at + stride])
            if free:
                self._act(events.part(slice(at, at + free)), batch, outcome)
                at, stride = at + free, 2 * stride
            else:
                record = _held(events, at, batch)
                self._decide(self.gate.offer(record), record.offset, outcome)
                at, stride = at + 1, STRIDE
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
        outcome.cuts.append(self._message(boundary, offset, ended=True))
        self.next_offset = offset + 1
        return outcome

    def idle(self) -> Idle:
        """Return the decision that this partition is silent, with what it has open.

        What the gate holds stays held: records that come later decide about it.
        """
        bins = tuple(BinSums.of(b, self.cells, self.open[b].sums) for b in sorted(self.open))
        return Idle(self.rules.source, self.partition, self.base + self.next_offset, bins)

    def _decide(self, decided: list[tuple[Held, bool]], upto: int, outcome: Outcome) -> None:
        for acts, group in groupby(decided, key=itemgetter(1)):
            records = [record for record, _ in group]
            if acts:
                self._act_held(records, upto, outcome)
            else:
                outcome.refused += [Rejected(r.offset, TIME_JUMP, r.raw) for r in records]

    def _act_held(self, records: Sequence[Held], upto: int, outcome: Outcome) -> None:
        events = Events(
            np.arange(len(records)),
            np.array([record.time for record in records]),
            np.array([record.cell for record in records], np.int32),
            np.stack([record.terms for record in records]),
            np.array([record.event_id for record in records], np.uint64),
        )
        batch = Batch(
            np.array([record.offset for record in records]), [record.raw for record in records]
        )
        self._act(events, batch, outcome, upto)

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
            self._add(bins[at:cut], events.part(slice(at, cut)), keep[at:cut], outcome)
            at = int(cut)
            self.high = int(highs[at + 1])
            offset = int(batch.offsets[events.index[at]]) if upto is None else upto
            self._cut(int(through[at + 1]), offset, outcome)
        self._add(bins[at:], events.part(slice(at, len(events))), keep[at:], outcome)
        self.high = int(highs[-1])

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
        self, bins: NDArray[np.int64], events: Events, keep: NDArray[np.bool_], outcome: Outcome
    ) -> None:
        """Add the events to keep, but for duplicates; between two cuts."""
        if not keep.all():
            bins, events = bins[keep], events.part(keep)
        if self.ids is not None and events.ids is not None and len(events):
            before = self.ids.unremembered
            fresh = self.ids.admit(events.ids, bins)
            outcome.unremembered += self.ids.unremembered - before
            outcome.duplicates += len(events) - int(fresh.sum())
            bins, events = bins[fresh], events.part(fresh)
        outcome.accepted += len(events)
        if not len(events):
            return
        for bin_, sums in sums_by_bin(bins, events.cell, events.terms, len(self.cells)):
            if bin_ not in self.open:
                self.open[bin_] = OpenBin(self.rules.n_terms)
            self.open[bin_].add(sums)

    def _cut(self, boundary: int, offset: int, outcome: Outcome) -> None:
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
        for at in sorted(due):
            outcome.cuts.append(self._message(at, offset, tuple(due[at])))
            self.since = at + 1
        self.through = max(through, boundary)
        watermark = self.high - self.rules.max_disorder
        for bin_ in [b for b in self.open if b <= self.through]:
            if self.rules.grid.end(bin_) + self.rules.allowed_lateness <= watermark:
                del self.open[bin_]
                if self.ids is not None:
                    self.ids.drop(bin_)

    def _message(
        self, boundary: int, offset: int, bins: tuple[BinSums, ...] = (), ended: bool = False
    ) -> Cut:
        upto = self.base + offset
        return Cut(self.rules.source, self.partition, self.since, boundary, upto, bins, ended)

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
            "base": self.base,
            "next_offset": self.next_offset,
            "through": self.through,
            "since": self.since,
            "high": self.high,
            "floor": self._dropped_below(),
            "cells": self.cells.cells,
            "overflowed": self.cells.overflowed,
            "unremembered": self.unremembered,
            "gate": gate,
            "changed": {str(bin_): part.changed for bin_, part in self.open.items()},
        }
        n_cells = len(self.cells)
        ids = {} if self.ids is None else self.ids.snapshot()
        sums = {str(bin_): part.sums[:, :n_cells] for bin_, part in self.open.items()}
        return values, nested({"held": held, "seen": ids, "open": sums})

    def restore(self, values: dict[str, Any], arrays: Arrays) -> None:
        """Become the partition that ``snapshot`` was taken of."""
        self.base, self.next_offset = values["base"], values["next_offset"]
        self.through = values["through"]
        self.since, self.high = values["since"], values["high"]
        self.floor = values["floor"]
        self.cells = CellIndex(self.rules.max_cells, values["cells"])
        self.cells.overflowed = values["overflowed"]
        self.gate.restore(values["gate"], scoped(arrays, "held"))
        if self.ids is not None:
            self.ids.restore(scoped(arrays, "seen"), values["unremembered"])
        self.open = {}
        for bin_, sums in scoped(arrays, "open").items():
            part = self.open[int(bin_)] = OpenBin(self.rules.n_terms)
            part.sums = sums
            part.changed = values["changed"][bin_]


def _held(events: Events, at: int, batch: Batch) -> Held:
    index = int(events.index[at])
    return Held(
        int(batch.offsets[index]),
        int(events.time[at]),
        int(events.cell[at]),
        events.terms[at],
        batch.records[index] or b"",
        NO_ID if events.ids is None else int(events.ids[at]),
    )
