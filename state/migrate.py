"""Migration of counts: source partitions and slabs under settings with other series or sources.

What is kept is moved, never changed. A series that is added counts from the first bin on of which
no event was read before; what earlier bins hold of it is unknown, not 0.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from tidecast.state.bins import BinGrid
from tidecast.state.cells import CellIndex
from tidecast.state.changes import Change, moved
from tidecast.state.checkpoint import Arrays
from tidecast.state.events import Events
from tidecast.state.inputs import NEVER, Input
from tidecast.state.settings import SeriesSettings
from tidecast.state.slab_fold import SlabFold, SlabRules

__all__ = ["ReadAgain", "first_whole_bin", "migrated_partition", "migrated_slabs"]

ReadAgain = Callable[[Sequence[bytes]], Events]
"""Reads the records that a partition's gate holds under the new settings."""


def migrated_partition(
    change: Change, source: str, arrays: Arrays, read_again: ReadAgain
) -> Arrays:
    """Return the arrays of a source partition's snapshot under the new settings.

    An added series counts nothing in bins that are open, but all of what the gate holds. Where
    de-duplication begins, no event is known of before.
    """
    rows = change.rows(source)
    result = {
        name: moved(array, rows, axis=0) if name.startswith("open/") else array
        for name, array in arrays.items()
    }
    if "held/terms" in arrays:
        result["held/terms"] = moved(arrays["held/terms"], [row - 1 for row in rows[1:]], axis=1)
        if -1 in rows:
            ends = np.cumsum(arrays["held/size"]).tolist()
            raw = arrays["held/raw"].tobytes()
            events = read_again([raw[a:b] for a, b in zip([0, *ends], ends, strict=False)])
            result["held/terms"][events.index] = events.terms
    return result


def first_whole_bin(grid: BinGrid, values: Mapping[str, Any]) -> int:
    """Return the first bin of which a source partition, by its snapshot, has read no event."""
    if values["through"] is None:
        return 0
    return int(grid.index(np.array([values["high"]]))[0]) + 1


def migrated_slabs(
    change: Change,
    slabs: SlabFold,
    whole_from: Mapping[str, int],
    joining: Iterable[tuple[str, int]] = (),
    counts: Mapping[str, int] = MappingProxyType({}),
) -> SlabFold:
    """Return ``slabs`` under the new settings.

    ``whole_from`` has, by kept source, the first bin of which no event was read; ``joining`` are
    the partitions of added sources, which slabs wait for from now on. ``counts`` are the partitions
    that sources have left, where there may be fewer: the others hold nobody back. Where a source is
    dropped, bins closed with it are not corrected any more: its share of them is not known after.
    """
    result = copy.copy(slabs)
    result.rules = rules = SlabRules.of(change.new)
    result.cells = CellIndex(change.new.limits.max_cells, slabs.cells.cells)
    result.cells.overflowed = slabs.cells.overflowed
    result.counted_from = _counted_from(change, slabs, whole_from)
    rows = {source: change.rows(source) for source in change.kept_sources}
    inputs = {
        key: replace(
            place,
            columns=rules.columns(key[0]),
            told=dict(place.told),
            through=NEVER if key[1] >= counts.get(key[0], NEVER) else place.through,
            pending=[
                (boundary, upto, replace(sums, sums=moved(sums.sums, rows[key[0]], axis=0)))
                for boundary, upto, sums in place.pending
            ],
        )
        for key, place in (slabs.inputs or {}).items()
        if key[0] in rows
    }
    joined = {key: Input(rules.columns(key[0])) for key in joining}
    result.inputs = dict(sorted((joined | inputs).items()))
    result.versions = {
        bin_: {
            key: replace(version, sums=moved(version.sums, rows[key[0]], axis=0))
            for key, version in shares.items()
            if key[0] in rows
        }
        for bin_, shares in slabs.versions.items()
    }
    result.revisions = dict(slabs.revisions)
    result.floor = _floor(change, slabs)
    _close(result, result.floor or 0)
    return result


def _floor(change: Change, slabs: SlabFold) -> int | None:
    """Return the bin before which nothing is corrected any more, None where there is none."""
    if slabs.next_bin is None:
        return slabs.floor
    if change.dropped_sources:
        return slabs.next_bin
    before, after = slabs.rules, SlabRules.of(change.new)
    if after.reach <= before.reach:
        return slabs.floor
    reached = np.array([before.grid.start(slabs.next_bin) - before.reach])
    return max(slabs.floor or 0, int(before.grid.index(reached)[0]))  # before: forgotten by now


def _close(slabs: SlabFold, floor: int) -> None:
    """Forget how bins before ``floor`` are made up, but for what was told of each partition."""
    for bin_ in [bin_ for bin_ in slabs.versions if bin_ < floor]:
        for key, version in slabs.versions.pop(bin_).items():
            (slabs.inputs or {})[key].told[bin_] = int(version.sums[0].sum())
    slabs.revisions = {bin_: n for bin_, n in slabs.revisions.items() if bin_ >= floor}


def _counted_from(change: Change, slabs: SlabFold, whole_from: Mapping[str, int]) -> dict[str, int]:
    """Return the first bin that holds all of each series that was ever added."""
    found = {
        series.name: slabs.counted_from[series.name]
        for series in change.new.series
        if series.name in slabs.counted_from
    }
    added = [series for series in change.new.series if series.name in change.added_series]
    for series in sorted(added, key=lambda series: series.aggregate == "ratio"):
        known = [slabs.next_bin or 0]
        known += [found.get(str(part), 0) for part in (series.numerator, series.denominator)]
        for source in _sources(change, series):
            known += [whole_from.get(source, 0), *(bin_ + 1 for bin_ in _heard(slabs, source))]
        found[series.name] = max(known)
    return found


def _sources(change: Change, series: SeriesSettings) -> list[str]:
    """Return the kept sources whose events ``series`` counts, or is marked by."""
    streams = (series.stream, series.censored_by and series.censored_by.stream)
    return [
        source.name
        for source in change.new.sources
        if source.stream in streams and source.name in change.kept_sources
    ]


def _heard(slabs: SlabFold, source: str) -> Iterable[int]:
    """Yield the bins that cuts of ``source`` have said anything of and that may still change."""
    for bin_, shares in slabs.versions.items():
        if any(name == source for name, _ in shares):
            yield bin_
    for (name, _), place in (slabs.inputs or {}).items():
        if name == source:
            yield from (sums.bin for *_, sums in place.pending)
