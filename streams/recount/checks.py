"""The checks of a live pipeline: its recount held against what it wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import polars as pl

from tidecast.models.aggregates import nodes_of
from tidecast.state.cells import ALL, Cell
from tidecast.state.settings import Settings
from tidecast.streams.recount.audit import Verdict
from tidecast.streams.recount.compare import differences
from tidecast.streams.recount.forecasts import ForecastBook, Rows
from tidecast.streams.recount.held import held_steps
from tidecast.streams.recount.live import Bar, LiveRecount
from tidecast.streams.recount.logs import TopicReader
from tidecast.streams.recount.sequence import PartitionRecount
from tidecast.streams.recount.stored import StoredActuals
from tidecast.streams.store import Store

__all__ = ["Checks", "audit_kafka"]

SECOND = 1_000_000
TOTAL = (ALL, ALL)


class Checks:
    """Notes in ``verdict`` what is wrong with a live pipeline, and what cannot be judged."""

    def __init__(self, live: LiveRecount, verdict: Verdict) -> None:
        self._live, self._verdict = live, verdict
        self._cells: tuple[Cell, ...] = ()
        self._nodes: tuple[Cell, ...] = ()
        self._settings = live.settings
        self._counted = live.counted()

    def slabs(self) -> None:
        """Hold the windows topic against the recount."""
        slabs, figures = self._live.slabs, self._verdict.figures
        first = max(self._live.whole_from, min(slabs.bins, default=0))
        bins = [b for b in sorted({*slabs.bins, *self._counted.bins}) if self._is_due(b, first)]
        for bin_ in bins:
            self._compare("windows", bin_, slabs.frame(bin_))
        figures["bins compared"] = len(bins)
        figures["bins corrected"] = sum(slabs.revision(bin_) > 0 for bin_ in slabs.bins)

    def _is_due(self, bin_: int, first: int) -> bool:
        return first <= bin_ <= self._live.last_bin

    def _compare(self, where: str, bin_: int, found: pl.DataFrame) -> None:
        """Hold the values of a bin against the recount; where it may differ, only count."""
        lacking = self._live.past.lacking(bin_)
        sums = self._counted.of(bin_)
        wrong = list(differences(self._settings, where, bin_, sums, found, lacking))
        doubt = self._live.doubts.about(bin_)
        if wrong and doubt is not None:
            self._live.doubts.excuse(doubt, bin_, len(wrong))
            return
        for difference in wrong:
            self._verdict.differ(difference)

    def store(self, store: Store) -> None:
        """Hold the store's actuals against the recount, as far as the sink has come."""
        live, late = self._live, self._live.late()
        actuals = StoredActuals(self._settings, store)
        due = [b for b in live.slabs.bins if self._is_due(b, live.whole_from) and live.is_stored(b)]
        amended = 0
        for bin_, found in actuals.frames(due):
            revision, stored = live.slabs.revision(bin_), actuals.revisions.get(bin_, 0)
            if stored > revision and not live.is_final(bin_):
                continue  # corrected since we began to read
            if stored > revision:
                sums, lacking = self._counted.of(bin_), live.past.lacking(bin_)
                held = held_steps(self._settings, bin_, sums, late.of(bin_), found, lacking)
                amended += held.is_amended
                if held.is_known:
                    continue
            if found.height and stored < revision:
                self._verdict.blame("bins stored in an older revision", live.name(bin_))
            self._compare("store", bin_, found)
        self._verdict.figures["bins compared with the store"] = len(due)
        self._verdict.figures["  with late events folded in"] = amended

    def rejects(self) -> None:
        """Hold late and dead-letter topics against the recount."""
        live, verdict = self._live, self._verdict
        topics = {source.name: source.topic for source in self._settings.sources}
        anew = {(topics[name], number) for name, number in live.past.bases}
        for place, what in live.rejects.contradictions:
            if place not in anew:  # where an offset stands for one record
                verdict.blame("refused or late twice, for different reasons", what)
        for (name, number), partition in live.audit.partitions.items():
            place = topics[name], number
            told = live.rejects.reasons.get(place, {})
            known = live.ingested.get(place, 0)
            whole = live.judged_from.get((name, number), 0)
            for what, offset in _missing(partition, told, whole, known):
                verdict.blame(what, f"{place[0]}/{number} at {offset}")
            for what, offset in () if place in anew else _unfounded(partition, told, whole):
                verdict.blame(what, f"{place[0]}/{number} at {offset}")
        verdict.figures["rejected sent again"] = live.rejects.again
        verdict.figures["ranges lost before they were read"] = len(live.rejects.lost)
        verdict.figures["late bins"] = len(live.rejects.late_bins)

    def forecasts(self, store: Store) -> None:
        """See that predictions are complete, and the store's the same."""
        live, verdict, book = self._live, self._verdict, ForecastBook()
        topic = live.names.predictions
        spans = live.spans(topic)
        for number, offsets, values in live.read(topic, spans):
            stored = live.stored.get((topic, number), 0)
            for offset, value in zip(offsets, values, strict=True):
                note = partial(book.note, offset < stored)
                live.foreign.take(note, (topic, number, offset), value)
        for name in book.contradictions():
            verdict.blame("predictions sent twice, and not the same", name)
        origins = book.origins()
        is_trimmed = any(first for first, _ in spans.values())
        first = origins[1] if is_trimmed and len(origins) > 1 else 0
        for what, name in book.compare_cells(self._expected(first, book.forecast_of(TOTAL))):
            verdict.blame(what, name)
        last = live.grid.end(live.last_bin) // SECOND  # later ones were being written meanwhile
        if whole := [origin for origin in origins if origin <= last]:
            for what, name in book.compare_store(store, whole):
                verdict.blame(what, name)
        verdict.figures["predictions"] = book.frame().height
        verdict.figures["predictions sent again"] = book.records - book.frame().height
        verdict.figures["origins"] = len(origins)

    def foreign(self) -> None:
        """See that the sink has told of the records that are none of ours; after the others."""
        live, verdict = self._live, self._verdict
        for topic, number, offset in live.foreign.places:
            is_due = offset < live.stored.get((topic, number), 0)
            if is_due and offset not in live.rejects.reasons.get((topic, number), {}):
                where = f"{topic}/{number} at {offset}"
                verdict.blame("no record of ours, and no dead letter", where)
        verdict.figures["records of others"] = len(live.foreign.places)

    def _expected(self, first: int, with_total: set[str]) -> Mapping[int, Sequence[Rows]]:
        """Return series and cells, and series and sums, that each origin must have forecast.

        Whether a series adds up that was dropped since, only its forecasts tell: those
        ``with_total`` do.
        """
        kept = {one.name for one in self._settings.series}
        summed = {one.name for one in self._settings.series if one.adds_up} | (with_total - kept)
        of_bins = self._live.slabs.forecasts
        ends = {bin_: self._live.grid.end(bin_) // SECOND for bin_ in of_bins}
        return {
            end: self._rows(*of_bins[bin_], summed) for bin_, end in ends.items() if end >= first
        }

    def _rows(
        self, series: Sequence[str], cells: tuple[Cell, ...], summed: set[str]
    ) -> Sequence[Rows]:
        """Return what is forecast of an origin: of cells, and of the sums of some series."""
        if cells is not self._cells:  # bins share them until one has more
            self._cells, self._nodes = cells, nodes_of(cells)
        return (series, cells), ([name for name in series if name in summed], self._nodes)

    def doubts(self) -> None:
        """Tell what was not judged, and why."""
        live = self._live
        if live.whole_from > 0:
            why = live.doubts.about(live.whole_from - 1)
            reason = "" if why is None else f": {why.why}"
            self._verdict.unjudged.append(f"bins before {live.name(live.whole_from)}{reason}")
        for doubt, bins in live.doubts.bins.items():
            span = f"{live.name(min(bins))} to {live.name(max(bins))}"
            self._verdict.unjudged.append(
                f"{live.doubts.cells[doubt]:,} values that differ in bins {span}: {doubt.why}"
            )
        for series, first in live.past.counted_from.items():
            self._verdict.unjudged.append(
                f"series {series} in bins before {live.name(first)}: it was added then"
            )
        for source, number in live.past.bases:
            self._verdict.unjudged.append(
                f"whether the late and refused records told of {source}/{number} should be counted:"
                " its topic was made anew, and offsets stand for other records than before"
            )


def _missing(
    partition: PartitionRecount, told: Mapping[int, str], whole: int, known: int
) -> Iterator[tuple[str, int]]:
    """Yield (what is wrong, offset) of records from offset ``whole`` on that should be rejected.

    What was decided before ``known`` must be told; later ones may be.
    """
    for offset, kind in _expected_rejects(partition).items():
        if offset < whole:
            continue
        found = told.get(offset)
        if found is None and partition.decided_at.get(offset, offset) < known:
            yield f"{'late' if kind == 'late' else 'refused'}, but in no topic", offset
        elif found is not None and found.partition(":")[0] != kind:
            yield f"rejected as {found.partition(':')[0]}, should be {kind}", offset


def _unfounded(
    partition: PartitionRecount, told: Mapping[int, str], whole: int
) -> Iterator[tuple[str, int]]:
    """Yield (what is wrong, offset) of records from ``whole`` on that should not be rejected."""
    expected = _expected_rejects(partition)
    for offset in told:
        if offset >= whole and offset not in expected:
            yield "rejected, but should be counted", offset


def _expected_rejects(partition: PartitionRecount) -> dict[int, str]:
    refused = {offset: why.partition(":")[0] for offset, why in partition.refused.items()}
    return dict.fromkeys(partition.late, "late") | refused


def audit_kafka(settings: Settings, store: Store, bar: Bar) -> Verdict:
    """Return the verdict on a live pipeline.

    Raises
    ------
    CheckpointError
        When the pipeline runs under other settings.
    ServiceError
        When there is no broker, or a topic is missing.
    """
    with TopicReader(settings.kafka) as reader:
        live = LiveRecount(settings, reader, bar)
        verdict = Verdict(live.audit.figures())
        checks = Checks(live, verdict)
        checks.slabs()
        checks.rejects()
        checks.forecasts(store)
        checks.store(store)
        checks.foreign()
        checks.doubts()
    return verdict
