"""Source partitions for the tests of cuts and slabs: rows in, cuts out, and what to expect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from tidecast.state.bins import BinGrid
from tidecast.state.cells import Cell
from tidecast.state.checkpoint import pack, unpack
from tidecast.state.cuts import BinSums, Cut, Idle
from tidecast.state.events import Events, Refusal
from tidecast.state.partition import Batch, Outcome, Partition, PartitionRules

SECOND = 1_000_000
MINUTE = 60 * SECOND
DAY = 1_440 * MINUTE
START = 20_000 * DAY  # 2024-10-04T00:00:00Z
FAR = 47_000 * DAY  # in 2098
WARM_UP = 6  # a partition believes its first record once five more agree, and span a bin

RULES = PartitionRules(
    source="clicks",
    grid=BinGrid(MINUTE),
    n_terms=1,
    max_disorder=10 * SECOND,
    allowed_lateness=3 * MINUTE,
    max_gap=60 * MINUTE,
    max_cells=1_000,
)


class Row(NamedTuple):
    """One record: seconds after START, region, units; or one that the contract refuses.

    ``event_id`` is the hash of its id, 0 for none.
    """

    at: float
    region: str = "a"
    units: int = 1
    is_broken: bool = False
    event_id: int = 0

    @property
    def time(self) -> int:
        return START + round(self.at * SECOND)


def bin_at(seconds: float) -> int:
    """Return the number of the minute that holds ``seconds`` after START."""
    return (START + int(seconds * SECOND)) // MINUTE


def warm(at: float = 0) -> list[Row]:
    """Return records that a partition believes once one a minute later agrees."""
    return [Row(at)] * WARM_UP


def partition(**changes: Any) -> Partition:
    """Return a new partition 0 of RULES with ``changes``."""
    return Partition(replace(RULES, **changes), 0)


def step(state: Partition, rows: Sequence[Row]) -> Outcome:
    """Fold the next rows as one batch."""
    first = state.next_offset
    raw = [repr(row).encode() for row in rows]
    kept = [(place, row) for place, row in enumerate(rows) if not row.is_broken]
    events = Events(
        np.array([place for place, _ in kept], np.int64),
        np.array([row.time for _, row in kept], np.int64),
        np.array([state.cells.add(Cell(row.region, "x")) for _, row in kept], np.int32),
        np.array([row.units for _, row in kept], np.int64)[:, None],
        np.array([row.event_id for _, row in kept], np.uint64),
    )
    refusals = [Refusal(n, "broken: it is") for n, row in enumerate(rows) if row.is_broken]
    return state.step(Batch(np.arange(first, first + len(rows)), raw), events, refusals)


def fold(
    rows: Sequence[Row], stops: Iterable[int] = (), reborn: bool = False, **changes: Any
) -> Outcome:
    """Fold all rows, in batches that end at ``stops``, and the end of the log.

    With ``reborn`` the partition is saved and restored between batches.
    """
    state, whole, at = partition(**changes), Outcome(), 0
    for stop in [*sorted(stops), len(rows)]:
        whole.add(step(state, rows[at:stop]))
        at = stop
        if reborn:
            saved = pack(*state.snapshot())
            state = partition(**changes)
            state.restore(*unpack(saved))
    whole.add(state.end(state.next_offset))
    return whole


def sums_of(part: BinSums) -> dict[str, tuple[int, ...]]:
    """Return region -> (events, units)."""
    columns = part.sums.T.tolist()
    return {c.region: tuple(column) for c, column in zip(part.cells, columns, strict=True)}


def plain(message: Cut | Idle) -> tuple[Any, ...]:
    """Return a cut or decision as something that can be compared."""
    bins = [(part.bin, part.cells, part.sums.tolist()) for part in message.bins]
    if isinstance(message, Idle):
        return "idle", message.source, message.partition, message.upto, bins
    place = (message.source, message.partition, message.since, message.boundary, message.upto)
    return (*place, message.ended, bins)


def shown(outcome: Outcome) -> tuple[Any, ...]:
    """Return an outcome as something that can be compared; refusals in offset order."""
    return (
        [plain(cut) for cut in outcome.cuts],
        sorted((r.offset, r.reason, r.raw) for r in outcome.refused),
        sorted((r.offset, r.reason, r.raw) for r in outcome.late),
        outcome.accepted,
        outcome.duplicates,
    )


def recount(rows: Iterable[Row]) -> dict[int, dict[str, tuple[int, ...]]]:
    """Return bin -> region -> (events, units), added up one by one."""
    totals: dict[int, dict[str, tuple[int, ...]]] = {}
    for row in rows:
        there = totals.setdefault(row.time // MINUTE, {})
        events, units = there.get(row.region, (0, 0))
        there[row.region] = (events + 1, units + row.units)
    return totals


def last_versions(cuts: Iterable[Cut]) -> Iterator[tuple[int, BinSums]]:
    """Yield (bin, what was said last of it)."""
    found: dict[int, BinSums] = {}
    for cut in cuts:
        for part in cut.bins:
            found[part.bin] = part
    yield from sorted(found.items())
