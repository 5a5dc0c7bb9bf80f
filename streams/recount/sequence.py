"""What becomes of the records of one source partition, told anew from its log alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tidecast.state.bins import BinGrid
from tidecast.state.cuts import END_OF_LOG
from tidecast.state.errors import ContractError
from tidecast.state.gate import Gate, Held
from tidecast.state.settings import Settings, SourceSettings
from tidecast.streams.decode.judge import Judged
from tidecast.streams.recount.cover import NEVER, Known
from tidecast.streams.recount.records import RecordReader
from tidecast.streams.recount.sums import Sums, bin_sums

__all__ = ["PartitionRecount", "Totals"]

NO_TERMS = np.zeros(0, np.int64)
Longs = NDArray[np.int64]


@dataclass
class Totals:
    """The recount of several partitions: sums by bin and cell, and records by their fate.

    Those of ``late`` are also by the position in the late topic that tells of them first.
    """

    counted: Sums
    late: Sums
    open: Sums
    fates: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Acted:
    """A valid record at its turn; ``at`` is the offset of the record that made it act."""

    offset: int
    at: int
    record: Judged


class PartitionRecount:
    """Follows one partition record by record: what is refused, late, open or counted.

    ``refused`` maps offsets to reasons, ``late`` to bins; ``decided_at`` says at which later
    offset the fate of a record was decided whose time was in doubt.
    """

    def __init__(
        self, settings: Settings, source: SourceSettings, reader: RecordReader, totals: Totals
    ) -> None:
        self.refused: dict[int, str] = {}
        self.late: dict[int, int] = {}
        self.decided_at: dict[int, int] = {}
        self.totals = totals
        self._settings = settings
        self._source = source
        self._reader = reader
        self._grid = BinGrid(settings.bins.width, settings.shop.time_zone)
        width = self._grid.nominal_width
        self._gate = Gate(source.max_gap, source.max_disorder, width)
        self._seen: dict[str, int] = {}
        self._held: dict[int, Judged] = {}
        self._high: int | None = None
        self._through = -1
        self._known = Known()
        self._trusted_bin = -1  # the last bin that has a record read under other settings

    def know(self, known: Known) -> None:
        """Take in what workers have told; before the first record."""
        self._known = known

    @property
    def trusted_bin(self) -> int:
        """The last bin that has a record read under other settings; -1 where there is none."""
        return self._trusted_bin

    @property
    def held(self) -> int:
        """How many records wait for those that decide about their time."""
        return len(self._held)

    def feed(self, offsets: Sequence[int], records: Sequence[bytes | None]) -> None:
        """Take the next records of the log."""
        acted: list[Acted] = []
        valid: list[tuple[int, bytes | None, Judged]] = []
        for offset, raw in zip(offsets, records, strict=True):
            if raw == END_OF_LOG:
                acted += self._pass_gate(valid) + self._finish(offset)
                self._settle(acted)
                self._end(offset)
                acted, valid = [], []
                continue
            if reason := self._known.refusal(offset):
                self._refuse(offset, reason)
                continue
            try:
                valid.append((offset, raw, self._reader.read(raw)))
            except ContractError as error:
                self._refuse(offset, str(error))
        self._settle(acted + self._pass_gate(valid))

    def end(self) -> None:
        """Close the log where its file ends."""
        self._settle(self._finish(NEVER - 1))

    def _pass_gate(self, valid: list[tuple[int, bytes | None, Judged]]) -> list[Acted]:
        """Return the records that the gate lets through, in the order of acting."""
        acted: list[Acted] = []
        times = np.array([judged.time for *_, judged in valid], np.int64)
        place = 0
        while place < len(valid):
            free = self._gate.free_run(times[place:])
            acted += [Acted(o, o, judged) for o, _, judged in valid[place : place + free]]
            place += free
            if place < len(valid) and not free:
                offset, raw, judged = valid[place]
                self._held[offset] = judged
                held = Held(offset, judged.time, 0, NO_TERMS, raw or b"")
                acted += self._decided(self._gate.offer(held), offset)
                place += 1
        return acted

    def _finish(self, offset: int) -> list[Acted]:
        return self._decided(self._gate.finish(), offset)

    def _decided(self, decided: Sequence[tuple[Held, bool]], at: int) -> list[Acted]:
        acted = []
        for held, acts in decided:
            judged = self._held.pop(held.offset)
            self.decided_at[held.offset] = at
            if acts or held.offset < self._known.trusted:
                acted.append(Acted(held.offset, at, judged))
            else:
                self._refuse(held.offset, "time_jump")
        return acted

    def _refuse(self, offset: int, reason: str) -> None:
        self.refused[offset] = reason
        self.totals.fates["refused"] += 1

    def _settle(self, acted: list[Acted]) -> None:
        """Tell the fate of records that act one after the other: counted, open or late."""
        if not acted:
            return
        times = np.array([each.record.time for each in acted], np.int64)
        first = times[0] if self._high is None else self._high
        highs = np.maximum.accumulate(np.concatenate(([first], times)))[1:]
        watermarks = highs - self._source.max_disorder
        bins = self._grid.index(times)
        late = self._ends(bins) + self._source.allowed_lateness <= watermarks
        late = self._late_as_told(acted, bins, late)
        for place in np.flatnonzero(late):
            self.late[acted[place].offset] = int(bins[place])
        through = np.maximum(self._grid.index(watermarks) - 1, self._through)
        at = np.array([each.at for each in acted], np.int64)
        again = self._repeated(acted, bins, late, through, watermarks)
        told = self._told(acted, late)
        covered = self._known.cover.reaches(at, through)
        for bin_, late_bin in self._known.late_bins.items():
            outside = (bins == bin_) & ~late & ~late_bin.counted.reaches(at, through)
            told[outside] = late_bin.told_at(at[outside], through[outside])
            late |= outside
        late, fresh = late & ~again, ~late & ~again
        self.totals.fates["duplicate"] += int(again.sum())
        fates = {"late": late, "counted": fresh & covered, "open": fresh & ~covered}
        self._add(acted, bins, fates, told)
        self._high, self._through = int(highs[-1]), int(through[-1])

    def _told(self, acted: list[Acted], late: NDArray[np.bool_]) -> Longs:
        """Return where the late topic tells of records; NEVER: not yet. Without a topic, at 0."""
        told = np.zeros(len(acted), np.int64)
        if self._known.late_at is not None:
            for place in np.flatnonzero(late):
                told[place] = self._known.late_at.get(acted[place].offset, NEVER)
        return told

    def _late_as_told(
        self, acted: list[Acted], bins: Longs, late: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Judge records read under other settings, and those of the same bins, by what was told.

        Such bins may have been closed for good before the settings of now, which allow more.
        """
        known = self._known
        if not known.trusted:
            return late
        offsets = np.array([each.offset for each in acted], np.int64)
        before = offsets < known.trusted
        self._trusted_bin = max([self._trusted_bin, *bins[before].tolist()])
        by_word = before | (bins <= self._trusted_bin)
        told = np.array([known.reasons.get(offset) == "late" for offset in offsets.tolist()])
        return np.where(by_word, told, late)

    def _repeated(
        self,
        acted: list[Acted],
        bins: Longs,
        late: NDArray[np.bool_],
        through: Longs,
        watermarks: Longs,
    ) -> NDArray[np.bool_]:
        """Tell which records repeat an event that was counted and is still remembered."""
        again = np.zeros(len(acted), np.bool_)
        if not self._source.deduplicate:
            return again
        reached = self._through
        for place, each in enumerate(acted):
            if through[place] > reached:
                reached = int(through[place])
                self._forget(reached, int(watermarks[place]))
            name = each.record.event_id
            if late[place] or not name:
                continue
            if name in self._seen:
                again[place] = True
            elif len(self._seen) < self._settings.limits.max_event_ids:
                self._seen[name] = int(bins[place])
        return again

    def _forget(self, through: int, watermark: int) -> None:
        """Forget the events of bins that are closed for good."""
        limit = watermark - self._source.allowed_lateness
        kept = {b for b in set(self._seen.values()) if b > through or self._grid.end(b) > limit}
        self._seen = {name: bin_ for name, bin_ in self._seen.items() if bin_ in kept}

    def _ends(self, bins: Longs) -> Longs:
        numbers, places = np.unique(bins, return_inverse=True)
        ends = np.array([self._grid.end(int(number)) for number in numbers], np.int64)
        return ends[places]

    def _add(
        self, acted: list[Acted], bins: Longs, fates: dict[str, NDArray[np.bool_]], told: Longs
    ) -> None:
        for fate, those in fates.items():
            places = np.flatnonzero(those)
            if len(places):
                records = [acted[place].record for place in places.tolist()]
                positions = told[places] if fate == "late" else None
                sums = bin_sums(self._settings, self._source, bins[places], records, positions)
                getattr(self.totals, fate).add(sums)
                self.totals.fates[fate] += len(places)

    def _end(self, offset: int) -> None:
        """Close what is open: the log says so at ``offset``."""
        self.totals.fates["ends"] += 1
        if self._high is not None:
            reached = int(self._grid.index(np.array([self._high]))[0])
            self._through = max(self._through, reached)
            self._forget(self._through, self._high - self._source.max_disorder)
