"""The recount of a live pipeline: what it wrote, and its source topics, read once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial

import numpy as np
import polars as pl
from pydantic import ValidationError

from tidecast.state.bins import BinGrid, iso
from tidecast.state.settings import Settings, SourceSettings
from tidecast.state.slab_fold import SlabRules
from tidecast.streams.recount.audit import Audit
from tidecast.streams.recount.compare import BinTable
from tidecast.streams.recount.cover import NEVER, Known, LateBin
from tidecast.streams.recount.foreign import Foreign
from tidecast.streams.recount.logs import Span, TopicReader
from tidecast.streams.recount.past import Doubts, read_past
from tidecast.streams.recount.published import CutBook, Key, SlabBook
from tidecast.streams.recount.rejects import Rejects
from tidecast.streams.recount.sums import TOLD
from tidecast.streams.schemas.forecasts import ProgressRecord
from tidecast.streams.topics import topic_names

__all__ = ["Bar", "LiveRecount"]

EVERYTHING = 2**62
Bar = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""Shows how far a topic of so many records was read."""


class LiveRecount:
    """Reads everything once, the oldest consequences first, so that it may run beside workers.

    Bins up to ``last_bin`` were closed when it began; those before ``whole_from`` have lost
    records. ``judged_from`` has the first offset of a partition of which late and refused records
    can be told, where that is not all; ``ambiguous`` are those whose offsets were given twice.

    Raises
    ------
    CheckpointError
        When the pipeline runs under other settings.
    ServiceError
        When there is no broker, or a topic is missing.
    """

    def __init__(self, settings: Settings, reader: TopicReader, bar: Bar) -> None:
        self.settings = settings
        self.names = topic_names(settings.kafka.topic_prefix)
        self.grid = BinGrid(settings.bins.width, settings.shop.time_zone)
        self.audit = Audit(settings)
        self.rejects = Rejects()
        self.doubts = Doubts()
        self.foreign = Foreign()
        self.whole_from = -1
        self.judged_from: dict[Key, int] = {}
        self._rules = SlabRules.of(settings)
        self._reader = reader
        self._bar = bar
        self._read_outputs()
        self._read_rejects()
        self._read_sources()

    def _read_outputs(self) -> None:
        """Read how far the workers are, then what the forecaster and it was given."""
        self.past = read_past(self.settings)
        group = self.settings.kafka.group
        self.ingested = self._reader.committed(f"{group}.ingest")
        self.stored = self._reader.committed(f"{group}.sink")
        progress = self._last_progress()
        self.slabs = SlabBook(None if progress is None else progress[0])
        for number, offsets, values in self.read(self.names.windows):
            for offset, value in zip(offsets, values, strict=True):
                place = (self.names.windows, number, offset)
                self.foreign.take(partial(self.slabs.note, offset), place, value)
        self.slabs.finish()
        last = max(self.slabs.bins, default=-1)
        self.last_bin, position = progress or (last, EVERYTHING)
        self.cuts = CutBook(self.settings.fingerprint(), position, self.last_bin)
        for _, offsets, values in self.read(self.names.cuts):
            for offset, value in zip(offsets, values, strict=True):
                self.cuts.note(offset, value or b"")

    def _last_progress(self) -> tuple[int, int] | None:
        """Return the last closed bin, and the position of the cuts topic then."""
        span = self._reader.spans([self.names.progress])[self.names.progress][0]
        last = self._reader.last(self.names.progress, span)
        if last is None:
            return None
        try:
            record = ProgressRecord.model_validate_json(last)
        except ValidationError:  # of others, who may write there too
            return None
        return record.next_bin - 1, record.position

    def _read_rejects(self) -> None:
        for number, offsets, values in self.read(self.names.late):
            for offset, value in zip(offsets, values, strict=True):
                note = partial(self.rejects.note_late, offset)
                self.foreign.take(note, (self.names.late, number, offset), value)
        for number, offsets, values in self.read(self.names.dead_letters):
            for offset, value in zip(offsets, values, strict=True):
                place = (self.names.dead_letters, number, offset)
                self.foreign.take(self.rejects.note_dead, place, value)

    def _read_sources(self) -> None:
        """Recount the source topics, from what is left of them to where they end now."""
        known: set[Key] = set()
        for source in self.settings.sources:
            spans = self.spans(source.topic)
            for number, (first, _) in spans.items():
                known.add((source.name, number))
                self._open(source, number, first)
            for number, offsets, values in self.read(source.topic, spans):
                self.audit.partition(source.name, number).feed(offsets, values)
        self._doubt_changes(known)

    def _open(self, source: SourceSettings, number: int, first: int) -> None:
        """Begin a partition whose log is kept from offset ``first`` on."""
        key = (source.name, number)
        place, base = (source.topic, number), self.past.bases.get(key, 0)
        late_bins = {
            bin_: self._late_bin(key, bin_, told, base)
            for (*at, bin_), told in self.rejects.late_bins.items()
            if tuple(at) == key
        }
        trusted = 0
        if key in self.cuts.before:
            trusted = max(0, self.cuts.since.get(key, EVERYTHING) - base)
        known = Known(
            self.cuts.cover(key).since(base),
            late_bins,
            self.rejects.late_at.get(place, {}),
            trusted,
            self.rejects.reasons.get(place, {}) if trusted else {},
        )
        self.audit.partition(*key).know(known)
        if first or base:
            self._begin_late(source, number, base + first, base)

    def _begin_late(self, source: SourceSettings, number: int, first: int, base: int) -> None:
        """Judge nothing that records before ``first``, counted with ``base``, may be part of."""
        key = (source.name, number)
        upto, boundary = self.cuts.first_cut(key, first) or (EVERYTHING, self.last_bin)
        reached = np.array([self.grid.end(boundary) + source.max_disorder])
        whole = int(self.grid.index(reached)[0]) + 1
        self.whole_from = max(self.whole_from, whole)
        self.judged_from[key] = upto - base + 1
        gone = f"offsets of {source.topic}/{number} before {first - base} are gone"
        anew = f"topic {source.topic} was made anew, and what {source.topic}/{number} held is gone"
        self.doubts.add(whole - 1, anew if base else gone)

    def _late_bin(self, key: Key, bin_: int, told: Sequence[tuple[int, int]], base: int) -> LateBin:
        """Return how far a partition is in a bin that closed without some of its events."""
        counted = self.cuts.cover_before(key, bin_, min(upto for upto, _ in told)).since(base)
        covers = [(self.cuts.cover_at(key, bin_, upto).since(base), at) for upto, at in told]
        return LateBin(counted, covers)

    def _doubt_changes(self, known: set[Key]) -> None:
        """Note which bins were made of partitions that are no more, or under other settings."""
        for source, number in sorted({place[:2] for place in self.cuts.told} - known):
            why = f"partition {number} of source {source} was counted, and is no more"
            self.doubts.add(self.cuts.last_told((source, number)), why)
        for (source, number), partition in self.audit.partitions.items():
            if others := self.cuts.before.get((source, number)):
                why = f"records of {source}/{number} were read under settings {sorted(others)[-1]}"
                self.doubts.add(partition.trusted_bin, f"{why}, now {self.cuts.settings}")

    def is_final(self, bin_: int) -> bool:
        """Tell whether no correction of a bin can come any more."""
        return self._rules.is_beyond(bin_, self.last_bin)

    def is_stored(self, bin_: int) -> bool:
        """Tell whether the sink has stored all that the windows topic has of a bin."""
        return self.slabs.offset(bin_) < self.stored.get((self.names.windows, 0), 0)

    def name(self, bin_: int) -> str:
        """Return the start of a bin, as it is printed."""
        return iso(self.grid.start(bin_))

    def counted(self) -> BinTable:
        """Return the sums of what closed bins count."""
        return BinTable(self.settings, self.audit.totals.counted.total())

    def late(self) -> BinTable:
        """Return the sums of late events that the late topic tells of."""
        late = self.audit.totals.late.total()
        return BinTable(self.settings, late.filter(pl.col(TOLD) < NEVER))

    def spans(self, topic: str) -> dict[int, Span]:
        """Return what each partition of a topic holds now."""
        return self._reader.spans([topic])[topic]

    def read(
        self, topic: str, spans: dict[int, Span] | None = None
    ) -> Iterator[tuple[int, list[int], list[bytes | None]]]:
        """Yield (partition, offsets, records) of a topic, by default all it holds now."""
        spans = spans or self.spans(topic)
        total = sum(end - first for first, end in spans.values())
        with self._bar(topic, total) as advance:
            for piece in self._reader.read(topic, spans):
                yield piece
                advance(len(piece[1]))
