"""The audit: logs recounted, and held against what was published and stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tidecast.state.settings import Settings
from tidecast.streams.logs import Dealer, LogReader, LogSpec
from tidecast.streams.recount.compare import BinTable, Difference, differences
from tidecast.streams.recount.held import held_steps
from tidecast.streams.recount.records import RecordReader
from tidecast.streams.recount.sequence import PartitionRecount, Totals
from tidecast.streams.recount.stored import StoredActuals
from tidecast.streams.recount.sums import Sums
from tidecast.streams.store import Store

__all__ = ["Audit", "Verdict", "recount_files"]

SHOWN = 20
Advance = Callable[[int], None]


@dataclass
class Verdict:
    """What an audit found: figures for its table, and what is wrong, the first of each kind.

    ``unjudged`` says what could not be compared, or may differ, and why.
    """

    figures: dict[str, int] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    wrong: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    unjudged: list[str] = field(default_factory=list)

    def differ(self, difference: Difference) -> None:
        """Note a cell that differs."""
        self.wrong[f"cells differ: {difference.where}"] += 1
        if len(self.differences) < SHOWN:
            self.differences.append(difference)

    def blame(self, what: str, example: str) -> None:
        """Note anything else that is wrong."""
        self.wrong[what] += 1
        examples = self.examples.setdefault(what, [])
        if len(examples) < SHOWN:
            examples.append(example)

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.wrong.total()


class Audit:
    """Partitions being recounted, by source and number."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.totals = Totals(Sums(settings), Sums(settings, late=True), Sums(settings))
        self.partitions: dict[tuple[str, int], PartitionRecount] = {}
        self._readers = {s.name: RecordReader(settings, s) for s in settings.sources}
        self._sources = {source.name: source for source in settings.sources}

    def partition(self, source: str, number: int) -> PartitionRecount:
        """Return the recount of a source partition, begun where there is none."""
        key = (source, number)
        if key not in self.partitions:
            self.partitions[key] = PartitionRecount(
                self.settings, self._sources[source], self._readers[source], self.totals
            )
        return self.partitions[key]

    def figures(self) -> dict[str, int]:
        """Return the records by their fate."""
        fates = self.totals.fates
        held = sum(partition.held for partition in self.partitions.values())
        records = sum(fates.values()) + held - fates["ends"]
        figures = {"records": records, "counted": fates["counted"], "late": fates["late"]}
        codes: Counter[str] = Counter()
        for partition in self.partitions.values():
            codes.update(reason.partition(":")[0] for reason in partition.refused.values())
        figures["refused"] = fates["refused"]
        figures |= {f"  {code}": count for code, count in sorted(codes.items())}
        others = {"duplicates": fates["duplicate"], "still open": fates["open"], "held": held}
        return figures | {name: count for name, count in others.items() if count}

    def stored(self, store: Store, verdict: Verdict) -> None:
        """Hold the store's actuals against a recount of whole logs."""
        actuals = StoredActuals(self.settings, store)
        counted = BinTable(self.settings, self.totals.counted.total())
        late = BinTable(self.settings, self.totals.late.total())
        bins = sorted({*actuals.bins, *counted.bins})
        for bin_, found in actuals.frames(bins):
            sums = counted.of(bin_)
            wrong = list(differences(self.settings, "store", bin_, sums, found))
            if wrong and actuals.revisions.get(bin_, 0):  # maybe by `tidecast late replay`
                held = held_steps(self.settings, bin_, sums, late.of(bin_), found)
                wrong = [] if held.is_known else wrong
            for difference in wrong:
                verdict.differ(difference)
        verdict.figures["bins"] = len(bins)


def recount_files(
    settings: Settings,
    logs: Sequence[tuple[LogSpec, LogReader]],
    dealers: dict[str, Dealer],
    advance: Advance,
) -> Audit:
    """Return the recount of whole logs, dealt out to partitions as a replay does."""
    audit = Audit(settings)
    for log, reader in logs:
        name = log.source.name
        offsets: dict[int, int] = {}
        for records in reader:
            for number, hand in enumerate(dealers[name].split(records)):
                first = offsets.get(number, 0)
                partition = audit.partition(name, number)
                partition.feed(range(first, first + len(hand)), hand)
                offsets[number] = first + len(hand)
            advance(len(records))
    for partition in audit.partitions.values():
        partition.end()
    return audit
