"""Slabs: the merged values of all cells and series for one closed bin, folded from cuts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidecast.state.bins import BinGrid
from tidecast.state.cells import OVERFLOW, Cell, CellIndex
from tidecast.state.checkpoint import Arrays, prefixed, within
from tidecast.state.cuts import BinSums, Cut, Idle, InputMessage, Join, PartitionList
from tidecast.state.settings import Settings
from tidecast.state.terms import all_terms, series_values

__all__ = ["Slab", "SlabFold", "SlabRules"]

NEVER = 2**62  # beyond every bin: this partition holds nobody back


@dataclass(frozen=True)
class Slab:
    """One closed bin: ``values`` (cell, series), NaN where a mean or ratio has nothing.

    ``events`` counts what is in it. A ``revision`` above 0 replaces an earlier slab of the bin.
    """

    bin: int
    values: NDArray[np.float64]
    events: int = 0
    revision: int = 0


@dataclass(frozen=True)
class SlabRules:
    """What slabs are made by: the settings, the grid, and how far corrections may reach back."""

    settings: Settings
    grid: BinGrid
    reach: int  # microseconds

    @classmethod
    def of(cls, settings: Settings) -> SlabRules:
        """Return the rules that ``settings`` give."""
        grid = BinGrid(settings.bins.width, settings.shop.time_zone)
        reach = max(source.allowed_lateness for source in settings.sources)
        return cls(settings, grid, reach + 2 * grid.nominal_width)

    def columns(self, source: str) -> list[int]:
        """Return the rows of a slab's sums that the rows of a source's sums add to."""
        stream = next(s.stream for s in self.settings.sources if s.name == source)
        terms = all_terms(self.settings)
        return [0, *(row for row, term in enumerate(terms, 1) if term.stream is stream)]


@dataclass
class Input:
    """What is known of one source partition: pending versions, and how far it was cut."""

    columns: list[int]
    through: int | None = None
    first: int | None = None
    newest: tuple[int, int] = (-1, -1)  # the rank of the last message
    pending: list[tuple[int, int, BinSums]] = field(default_factory=list)  # (boundary, upto, sums)


@dataclass
class Version:
    """A partition's share of a bin, as last applied."""

    upto: int
    boundary: int
    cells: NDArray[np.int64]
    sums: NDArray[np.int64]


class SlabFold:
    """A pure fold of cuts and decisions into slabs, independent of how cuts interleave.

    Slab k is made once every listed partition was cut at k or later, from the version of each
    partition and bin with the largest (upto, boundary) among those whose boundary is at most k.
    After ``horizon`` empty bins in a row the feed sleeps: no slabs until the next event.
    """

    def __init__(self, rules: SlabRules) -> None:
        self.rules = rules
        self.cells = CellIndex(rules.settings.limits.max_cells)
        self.inputs: dict[tuple[str, int], Input] | None = None
        self.unlisted: list[Cut | Idle | Join] = []
        self.next_bin: int | None = None
        self.last_event_bin = 0
        self.versions: dict[int, dict[tuple[str, int], Version]] = {}
        self.revisions: dict[int, int] = {}
        self.beyond_reach = 0
        self.counted_from: dict[str, int] = {}  # series that a migration added: first whole bin

    def step(self, message: InputMessage) -> list[Slab]:
        """Fold one message; return the slabs it completes, corrections before their slab."""
        if isinstance(message, PartitionList):
            if self.inputs is not None:
                return []
            self.inputs = {
                key: Input(self.rules.columns(key[0])) for key in sorted(message.partitions)
            }
            earlier, self.unlisted = self.unlisted, []
            for unlisted in earlier:
                self._note(unlisted)
        elif self.inputs is None:
            self.unlisted.append(message)
            return []
        else:
            self._note(message)
        return list(self._make())

    def holding_back(self) -> tuple[str, int] | None:
        """Return the source partition that time waits for, None before there are any."""
        if not self.inputs:
            return None
        return min(self.inputs, key=lambda key: _through(self.inputs[key]))  # type: ignore[index]

    def snapshot(self) -> tuple[dict[str, Any], Arrays]:
        """Return what ``restore`` needs; only after the partition list is known."""
        arrays: Arrays = {}
        values: dict[str, Any] = {
            "cells": self.cells.cells,
            "overflowed": self.cells.overflowed,
            "next_bin": self.next_bin,
            "last_event_bin": self.last_event_bin,
            "beyond_reach": self.beyond_reach,
            "revisions": list(self.revisions.items()),
            "counted_from": self.counted_from,
            "inputs": [],
            "versions": [],
        }
        for number, (key, place) in enumerate((self.inputs or {}).items()):
            pending = []
            for entry, (boundary, upto, sums) in enumerate(place.pending):
                names = [sums.regions, sums.categories]
                pending.append([boundary, upto, sums.bin, *names])
                arrays |= prefixed(
                    f"pending/{number}/{entry}",
                    {"region": sums.region, "category": sums.category, "sums": sums.sums},
                )
            values["inputs"].append([*key, place.through, place.first, place.newest, pending])
        for bin_, shares in self.versions.items():
            for key, version in shares.items():
                name = f"{len(values['versions'])}"
                values["versions"].append([bin_, *key, version.upto, version.boundary])
                arrays[f"cells/{name}"] = version.cells
                arrays[f"sums/{name}"] = version.sums
        return values, arrays

    def restore(self, values: dict[str, Any], arrays: Arrays) -> None:
        """Become the fold that ``snapshot`` was taken of."""
        self.cells = CellIndex(self.rules.settings.limits.max_cells, values["cells"])
        self.cells.overflowed = values["overflowed"]
        self.next_bin = values["next_bin"]
        self.last_event_bin = values["last_event_bin"]
        self.beyond_reach = values["beyond_reach"]
        self.revisions = dict(values["revisions"])
        self.counted_from = values["counted_from"]
        self.inputs = {}
        for number, (source, partition, through, first, newest, pending) in enumerate(
            values["inputs"]
        ):
            place = Input(self.rules.columns(source), through, first, tuple(newest))
            for entry, (boundary, upto, bin_, regions, categories) in enumerate(pending):
                parts = within(f"pending/{number}/{entry}", arrays)
                sums = BinSums(bin_, regions, categories, **parts)
                place.pending.append((boundary, upto, sums))
            self.inputs[source, partition] = place
        self.versions = {}
        for name, (bin_, source, partition, upto, boundary) in enumerate(values["versions"]):
            version = Version(upto, boundary, arrays[f"cells/{name}"], arrays[f"sums/{name}"])
            self.versions.setdefault(bin_, {})[source, partition] = version

    def _note(self, message: Cut | Idle | Join) -> None:
        if isinstance(message, Join):
            self._join_partition((message.source, message.partition))
            return
        place = (self.inputs or {}).get((message.source, message.partition))
        if place is None or _rank(message) < place.newest:
            return  # not ours, or a stale writer's: something newer was read already
        place.newest = _rank(message)
        if isinstance(message, Idle):
            place.pending += [(sums.bin, message.upto, sums) for sums in message.bins]
            place.through = NEVER
            starts = [sums.bin for sums in message.bins]
        else:
            place.pending += [(message.boundary, message.upto, sums) for sums in message.bins]
            place.through = NEVER if message.ended else message.boundary
            starts = [message.since] if message.boundary >= message.since else []
            starts += [sums.bin for sums in message.bins]
        if place.first is None and starts:
            place.first = min(starts)
        place.pending.sort(key=lambda entry: entry[:2])

    def _join_partition(self, key: tuple[str, int]) -> None:
        inputs = self.inputs or {}
        if key not in inputs:
            self.inputs = dict(sorted([*inputs.items(), (key, Input(self.rules.columns(key[0])))]))

    def _make(self) -> Iterator[Slab]:
        inputs = list((self.inputs or {}).values())
        if any(place.through is None for place in inputs) or not inputs:
            return
        if self.next_bin is None:
            firsts = [place.first for place in inputs if place.first is not None]
            if not firsts:
                return
            self.next_bin = self.last_event_bin = min(firsts)
        limit = self._limit(inputs)
        while self.next_bin <= limit:
            yield from self._slabs(self.next_bin)
            self.next_bin = self._following(inputs, limit)

    def _limit(self, inputs: Sequence[Input]) -> int:
        limit = min(_through(place) for place in inputs)
        if limit < NEVER:
            return limit
        return max((entry[0] for p in inputs for entry in p.pending), default=-1)

    def _following(self, inputs: Sequence[Input], limit: int) -> int:
        """Return the bin after ``next_bin``, or, while the feed sleeps, the next with news."""
        following = (self.next_bin or 0) + 1
        if following <= self.last_event_bin + self.rules.settings.forecast.horizon:
            return following
        news = [place.pending[0][0] for place in inputs if place.pending]
        return max(following, min([limit + 1, *news]))

    def _slabs(self, bin_: int) -> Iterator[Slab]:
        touched = self._apply(bin_)
        for earlier in sorted(touched - {bin_}):
            self.revisions[earlier] = self.revisions.get(earlier, 0) + 1
            yield self._slab(earlier)
        slab = self._slab(bin_)
        if slab.events:
            self.last_event_bin = bin_
        if bin_ <= self.last_event_bin + self.rules.settings.forecast.horizon:
            self.revisions.setdefault(bin_, 0)
            yield slab
        self._forget(bin_)

    def _apply(self, bin_: int) -> set[int]:
        """Take over the versions that count from slab ``bin_`` on; return the bins they touch."""
        due: list[tuple[tuple[str, int], int, int, BinSums]] = []
        for key, place in (self.inputs or {}).items():
            ready = [entry for entry in place.pending if entry[0] <= bin_]
            place.pending = place.pending[len(ready) :]
            due += [(key, boundary, upto, sums) for boundary, upto, sums in ready]
        cells_of = [sums.cells for *_, sums in due]
        self._join(cells_of)
        touched = set()
        for (key, boundary, upto, sums), seen in zip(due, cells_of, strict=True):
            if sums.bin < bin_ and self._is_forgotten(sums.bin, bin_):
                self.beyond_reach += int(sums.sums[0].sum())
                continue
            versions = self.versions.setdefault(sums.bin, {})
            known = versions.get(key)
            if known is None or (upto, boundary) > (known.upto, known.boundary):
                cells = np.array([self.cells.add(cell) for cell in seen], np.int64)
                versions[key] = Version(upto, boundary, cells, sums.sums)
                touched.add(sums.bin)
        return touched

    def _join(self, seen: Iterable[Iterable[Cell]]) -> None:
        """Number new cells in sorted order."""
        fresh = {cell for cells in seen for cell in cells if cell not in self.cells}
        for cell in sorted(fresh, key=lambda cell: (cell == OVERFLOW, cell)):
            self.cells.add(cell)

    def _slab(self, bin_: int) -> Slab:
        rows = 1 + len(all_terms(self.rules.settings))
        total = np.zeros((rows, len(self.cells)), np.int64)  # (1 + term, cell)
        for key, version in self.versions.get(bin_, {}).items():
            for row, sums in zip((self.inputs or {})[key].columns, version.sums, strict=True):
                np.add.at(total[row], version.cells, sums)
        values = series_values(self.rules.settings, total[1:])
        for number, series in enumerate(self.rules.settings.series):
            if bin_ < self.counted_from.get(series.name, bin_):
                values[:, number] = np.nan  # its events were counted in part, or not at all
        return Slab(bin_, values, int(total[0].sum()), self.revisions.get(bin_, 0))

    def _is_forgotten(self, bin_: int, now: int) -> bool:
        grid = self.rules.grid
        return grid.end(bin_) + self.rules.reach <= grid.end(now)

    def _forget(self, now: int) -> None:
        for bin_ in [b for b in self.revisions if self._is_forgotten(b, now)]:
            self.revisions.pop(bin_)
            self.versions.pop(bin_, None)


def _rank(message: Cut | Idle) -> tuple[int, int]:
    """Return where a message stands among those of its partition.

    A partition is idle before it reads the record at ``upto``; that record's cuts follow in the
    order of their boundaries, and the one that ends the log is last.
    """
    if isinstance(message, Idle):
        return message.upto, -1
    return message.upto, NEVER if message.ended else message.boundary


def _through(place: Input) -> int:
    return -1 if place.through is None else place.through
