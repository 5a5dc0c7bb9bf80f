"""The ingest of a source, without a broker: batches of raw records in, cuts out."""

from __future__ import annotations

from collections.abc import Sequence

from tidecast.state.bins import BinGrid
from tidecast.state.cuts import END_OF_LOG
from tidecast.state.events import Events, Refusal
from tidecast.state.partition import Batch, Outcome, Partition, PartitionRules
from tidecast.state.settings import Settings, SourceSettings
from tidecast.state.terms import source_terms
from tidecast.streams.decode import Decoder

__all__ = ["SourceFold"]

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
            max_event_ids=settings.limits.max_event_ids if source.deduplicate else 0,
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
            outcome.add(partition.step(*_part(batch, events, refusals, start, stop)))
            if stop in ends:
                outcome.add(partition.end(int(batch.offsets[stop])))
            start = stop + 1
        return outcome


def _part(
    batch: Batch, events: Events, refusals: Sequence[Refusal], start: int, stop: int
) -> tuple[Batch, Events, list[Refusal]]:
    """Return the records from ``start`` to ``stop``, counted from ``start``."""
    inside = (events.index >= start) & (events.index < stop)
    return (
        Batch(batch.offsets[start:stop], batch.records[start:stop]),
        events.part(inside, start),
        [Refusal(r.index - start, r.reason) for r in refusals if start <= r.index < stop],
    )
