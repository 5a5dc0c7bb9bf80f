"""The audit of a live pipeline: source topics recounted, and held against what it wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager

import numpy as np
import orjson
import polars as pl

from tidecast.state.bins import BinGrid, iso
from tidecast.state.settings import Settings, SourceSettings
from tidecast.streams.recount.audit import Audit, Verdict
from tidecast.streams.recount.compare import BinTable, differences
from tidecast.streams.recount.cover import NEVER, LateBin
from tidecast.streams.recount.forecasts import ForecastBook
from tidecast.streams.recount.held import held_steps
from tidecast.streams.recount.logs import Span, TopicReader
from tidecast.streams.recount.published import CutBook, Key, SlabBook
from tidecast.streams.recount.rejects import Rejects
from tidecast.streams.recount.sequence import PartitionRecount
from tidecast.streams.recount.stored import StoredActuals
from tidecast.streams.recount.sums import TOLD
from tidecast.streams.store import Store
from tidecast.streams.topics import topic_names

__all__ = ["Bar", "LiveAudit", "audit_kafka"]

EVERYTHING = 2**62
SECOND = 1_000_000
Bar = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""Shows how far a topic of so many records was read."""


class LiveAudit:
    """Reads everything once, the oldest consequences first, so that it may run beside workers.

    Only bins are compared that the forecaster had closed when the audit began.
    """

    def __init__(self, settings: Settings, reader: TopicReader, bar: Bar) -> None:
        self.settings = settings
        self.names = topic_names(settings.kafka.topic_prefix)
        self.grid = BinGrid(settings.bins.width, settings.shop.time_zone)
        self.audit = Audit(settings)
        self.rejects = Rejects()
        self.forecasts = ForecastBook()
        self._reader = reader
        self._bar = bar
        self._begin()

    def _begin(self) -> None:
        """Read how far the workers are, then what the forecaster wrote."""
        group = self.settings.kafka.group
        self._ingested = self._reader.committed(f"{group}.ingest")
        self._stored = self._reader.committed(f"{group}.sink")
        progress = self._last_progress()
        self.slabs = SlabBook(None if progress is None else progress[0])
        for _, offsets, values in self._read(self.names.windows):
            for offset, value in zip(offsets, values, strict=True):
                self.slabs.note(offset, value or b"")
        self.slabs.finish()
        last = max(self.slabs.bins, default=-1)
        self.last_bin, position = progress or (last, EVERYTHING)
        self.cuts = CutBook(self.settings.fingerprint(), position, self.last_bin)
        for _, offsets, values in self._read(self.names.cuts):
            for offset, value in zip(offsets, values, strict=True):
                self.cuts.note(offset, value or b"")

    def _last_progress(self) -> tuple[int, int] | None:
        """Return the last closed bin, and the position of the cuts topic then."""
        span = self._reader.spans([self.names.progress])[self.names.progress][0]
        last = self._reader.last(self.names.progress, span)
        if last is None:
            return None
        record = orjson.loads(last)
        return record["next_bin"] - 1, record["position"]

    def recount(self) -> None:
        """Recount the source topics, from what is left of them to where they end now."""
        for _, offsets, values in self._read(self.names.late):
            for offset, value in zip(offsets, values, strict=True):
                self.rejects.note_late(offset, value or b"")
        for _, _, values in self._read(self.names.dead_letters):
            for value in values:
                self.rejects.note_dead(value or b"")
        self.whole_from = -1
        self._whole: dict[Key, int] = {}
        for source in self.settings.sources:
            spans = self._reader.spans([source.topic])[source.topic]
            for number, (first, _) in spans.items():
                self._open(source, number, first)
            for number, offsets, values in self._read(source.topic, spans):
                self.audit.partition(source.name, number).feed(offsets, values)

    def _open(self, source: SourceSettings, number: int, first: int) -> None:
        """Begin a partition whose log is kept from offset ``first`` on."""
        key = (source.name, number)
        late_bins = {
            bin_: self._late_bin(key, bin_, told)
            for (*place, bin_), told in self.rejects.late_bins.items()
            if tuple(place) == key
        }
        late_at = self.rejects.late_at.get((source.topic, number), {})
        self.audit.partition(*key).cover(self.cuts.cover(key), late_bins, late_at)
        if first:
            upto, boundary = self.cuts.first_cut(key, first) or (EVERYTHING, self.last_bin)
            reached = np.array([self.grid.end(boundary) + source.max_disorder])
            self.whole_from = max(self.whole_from, int(self.grid.index(reached)[0]) + 1)
            self._whole[key] = upto + 1

    def _late_bin(self, key: Key, bin_: int, told: Sequence[tuple[int, int]]) -> LateBin:
        """Return how far a partition is in a bin that closed without some of its events."""
        counted = self.cuts.cover_before(key, bin_, min(upto for upto, _ in told))
        return LateBin(
            counted, [(self.cuts.cover_at(key, bin_, upto), position) for upto, position in told]
        )

    def check_slabs(self, verdict: Verdict) -> None:
        """Hold the windows topic against the recount."""
        counted = self.counted()
        first = max(self.whole_from, min(self.slabs.bins, default=0))
        bins = [b for b in sorted({*self.slabs.bins, *counted.bins}) if self._is_due(b, first)]
        for bin_ in bins:
            found = self.slabs.frame(bin_)
            for difference in differences(self.settings, "windows", bin_, counted.of(bin_), found):
                verdict.differ(difference)
        verdict.figures["bins compared"] = len(bins)
        verdict.figures["bins corrected"] = sum(
            self.slabs.revision(bin_) > 0 for bin_ in self.slabs.bins
        )

    def _is_due(self, bin_: int, first: int) -> bool:
        return first <= bin_ <= self.last_bin

    def check_store(self, store: Store, verdict: Verdict) -> None:
        """Hold the store's actuals against the recount, as far as the sink has come."""
        actuals = StoredActuals(self.settings, store)
        counted, late = self.counted(), self.late()
        bins = [b for b in self.slabs.bins if self._is_due(b, self.whole_from)]
        due = [bin_ for bin_ in bins if self.is_stored(bin_)]
        amended = 0
        for bin_, found in actuals.frames(due):
            revision, sums = self.slabs.revision(bin_), counted.of(bin_)
            if actuals.revisions.get(bin_, 0) > revision:
                held = held_steps(self.settings, bin_, sums, late.of(bin_), found)
                amended += held.is_amended
                if held.is_known:
                    continue
            elif found.height and actuals.revisions[bin_] < revision:
                verdict.blame("bins stored in an older revision", iso(self.grid.start(bin_)))
            for difference in differences(self.settings, "store", bin_, sums, found):
                verdict.differ(difference)
        verdict.figures["bins compared with the store"] = len(due)
        verdict.figures["  with late events folded in"] = amended

    def is_stored(self, bin_: int) -> bool:
        """Tell whether the sink has stored all that the windows topic has of a bin."""
        return self.slabs.offset(bin_) < self._stored.get((self.names.windows, 0), 0)

    def counted(self) -> BinTable:
        """Return the sums of what closed bins count."""
        return BinTable(self.settings, self.audit.totals.counted.total())

    def late(self) -> BinTable:
        """Return the sums of late events that the late topic tells of."""
        late = self.audit.totals.late.total()
        return BinTable(self.settings, late.filter(pl.col(TOLD) < NEVER))

    def check_rejects(self, verdict: Verdict) -> None:
        """Hold late and dead-letter topics against the recount."""
        for what in self.rejects.contradictions:
            verdict.blame("refused or late twice, for different reasons", what)
        for (name, number), partition in self.audit.partitions.items():
            topic = next(s.topic for s in self.settings.sources if s.name == name)
            told = self.rejects.reasons.get((topic, number), {})
            known = self._ingested.get((topic, number), 0)
            whole = self._whole.get((name, number), 0)
            for what, offset in _rejected_wrongly(partition, told, whole, known):
                verdict.blame(what, f"{topic}/{number} at {offset}")
        verdict.figures["rejected sent again"] = self.rejects.again
        verdict.figures["ranges lost before they were read"] = len(self.rejects.lost)
        verdict.figures["late bins"] = len(self.rejects.late_bins)

    def check_forecasts(self, store: Store, verdict: Verdict) -> None:
        """See that predictions are complete, and the store's the same."""
        topic = self.names.predictions
        spans = self._reader.spans([topic])[topic]
        for number, offsets, values in self._read(topic, spans):
            stored = self._stored.get((topic, number), 0)
            for offset, value in zip(offsets, values, strict=True):
                self.forecasts.note(value or b"", offset < stored)
        for name in self.forecasts.contradictions():
            verdict.blame("predictions sent twice, and not the same", name)
        origins = self.forecasts.origins()
        is_trimmed = any(first for first, _ in spans.values())
        first = origins[1] if is_trimmed and len(origins) > 1 else 0
        for what, name in self.forecasts.compare_cells(self._expected(first)):
            verdict.blame(what, name)
        if origins:
            for what, name in self.forecasts.compare_store(store, origins):
                verdict.blame(what, name)
        verdict.figures["predictions"] = self.forecasts.frame().height
        verdict.figures["predictions sent again"] = (
            self.forecasts.records - self.forecasts.frame().height
        )
        verdict.figures["origins"] = len(origins)

    def _expected(self, first: int) -> dict[int, tuple[Sequence[str], Sequence[tuple[str, str]]]]:
        """Return the series and cells of each origin that must have been forecast."""
        names = [series.name for series in self.settings.series]
        ends = {bin_: self.grid.end(bin_) // SECOND for bin_ in self.slabs.forecast_cells}
        cells: Mapping[int, Sequence[tuple[str, str]]] = self.slabs.forecast_cells
        return {end: (names, cells[bin_]) for bin_, end in ends.items() if end >= first}

    def _read(
        self, topic: str, spans: dict[int, Span] | None = None
    ) -> Iterator[tuple[int, list[int], list[bytes | None]]]:
        spans = spans or self._reader.spans([topic])[topic]
        total = sum(end - first for first, end in spans.values())
        with self._bar(topic, total) as advance:
            for piece in self._reader.read(topic, spans):
                yield piece
                advance(len(piece[1]))


def _rejected_wrongly(
    partition: PartitionRecount, told: Mapping[int, str], whole: int, known: int
) -> Iterator[tuple[str, int]]:
    """Yield (what is wrong, offset) of records from offset ``whole`` on.

    What was decided before ``known`` must be told; later ones may be.
    """
    expected = dict.fromkeys(partition.late, "late")
    expected |= {offset: reason.partition(":")[0] for offset, reason in partition.refused.items()}
    for offset, kind in expected.items():
        if offset < whole:
            continue
        found = told.get(offset)
        if found is None and partition.decided_at.get(offset, offset) < known:
            yield f"{'late' if kind == 'late' else 'refused'}, but in no topic", offset
        elif found is not None and found.partition(":")[0] != kind:
            yield f"rejected as {found.partition(':')[0]}, should be {kind}", offset
    for offset in told:
        if offset >= whole and offset not in expected:
            yield "rejected, but should be counted", offset


def audit_kafka(settings: Settings, store: Store, bar: Bar) -> Verdict:
    """Return the verdict on a live pipeline.

    Raises
    ------
    ServiceError
        When there is no broker, or a topic is missing.
    ContractError
        When the pipeline runs under other settings.
    """
    with TopicReader(settings.kafka) as reader:
        live = LiveAudit(settings, reader, bar)
        live.recount()
        verdict = Verdict(live.audit.figures())
        live.check_slabs(verdict)
        live.check_rejects(verdict)
        live.check_forecasts(store, verdict)
        live.check_store(store, verdict)
    return verdict
