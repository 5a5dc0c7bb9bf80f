"""Slabs are folded from cuts and decisions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tidecast.state.bins import BinGrid
from tidecast.state.cells import OVERFLOW, Cell, CellIndex
from tidecast.state.checkpoint import Arrays
from tidecast.state.cuts import BinSums, Cut, Idle, Join, PartitionList, SlabMessage
from tidecast.state.inputs import NEVER, Input
from tidecast.state.settings import Settings
from tidecast.state.slab_parts import (
    Version,
    kept_inputs,
    kept_versions,
    restored_inputs,
    restored_versions,
)
from tidecast.state.slabs import LateBins, Slab
from tidecast.state.terms import all_terms, series_counts, series_marks, series_values

__all__ = ["SlabFold", "SlabRules"]


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

    def is_beyond(self, bin_: int, now: int) -> bool:
        """Tell whether ``bin_`` is not corrected any more once ``now`` closes."""
        return self.grid.end(bin_) + self.reach <= self.grid.end(now)

    def columns(self, source: str) -> list[int]:
        """Return the rows of a slab's sums that the rows of a source's sums add to."""
        stream = next(s.stream for s in self.settings.sources if s.name == source)
        terms = all_terms(self.settings)
        return [0, *(row for row, term in enumerate(terms, 1) if term.stream is stream)]


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
        self.floor: int | None = None  # bins before were closed in a warm-up

    def step(self, message: SlabMessage) -> list[Slab | LateBins]:
        """Fold one message; return the slabs it completes, corrections before their slab.

        Events that come too late for theirs are returned too, where they become known.
        """
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

    def end_warm_up(self) -> None:
        """Go on from a replayed log, which has ended, to a log of live cuts.

        Cells and time stay; partitions are forgotten: their list comes anew. Bins closed by now
        belong to the warm-up: a live event of one would be counted twice, and is told as too late.
        """
        self.floor = self.next_bin
        self.inputs, self.unlisted = None, []
        self.versions, self.revisions = {}, {}

    def holding_back(self) -> tuple[str, int] | None:
        """Return the source partition that time waits for, None before there are any."""
        if not self.inputs:
            return None
        return min(self.inputs, key=lambda key: _through(self.inputs[key]))  # type: ignore[index]

    def snapshot(self) -> tuple[dict[str, Any], Arrays]:
        """Return what ``restore`` needs; not while messages wait for the list of partitions."""
        inputs, pending = kept_inputs(self.inputs or {})
        versions, shares = kept_versions(self.versions)
        values = {
            "cells": self.cells.cells,
            "overflowed": self.cells.overflowed,
            "next_bin": self.next_bin,
            "last_event_bin": self.last_event_bin,
            "beyond_reach": self.beyond_reach,
            "revisions": list(self.revisions.items()),
            "counted_from": self.counted_from,
            "floor": self.floor,
            "inputs": None if self.inputs is None else inputs,
            "versions": versions,
        }
        return values, pending | shares

    def restore(self, values: dict[str, Any], arrays: Arrays) -> None:
        """Become the fold that ``snapshot`` was taken of."""
        self.cells = CellIndex(self.rules.settings.limits.max_cells, values["cells"])
        self.cells.overflowed = values["overflowed"]
        self.next_bin = values["next_bin"]
        self.last_event_bin = values["last_event_bin"]
        self.beyond_reach = values["beyond_reach"]
        self.revisions = dict(values["revisions"])
        self.counted_from = values["counted_from"]
        self.floor = values["floor"]
        columns, inputs = self.rules.columns, values["inputs"]
        self.inputs = None if inputs is None else restored_inputs(inputs, arrays, columns)
        self.versions = restored_versions(values["versions"], arrays)

    def _note(self, message: Cut | Idle | Join) -> None:
        key = (message.source, message.partition)
        if isinstance(message, Join):
            self._join_partition(key)
        elif self.inputs is not None and key in self.inputs:
            self.inputs[key].note(message)

    def _join_partition(self, key: tuple[str, int]) -> None:
        inputs = self.inputs or {}
        if key not in inputs:
            self.inputs = dict(sorted([*inputs.items(), (key, Input(self.rules.columns(key[0])))]))

    def _make(self) -> Iterator[Slab | LateBins]:
        inputs = list((self.inputs or {}).values())
        if any(place.through is None for place in inputs) or not inputs:
            return
        limit = self._limit(inputs)
        if self.next_bin is None:
            first = min((p.first for p in inputs if p.first is not None), default=NEVER)
            if first > limit:
                return
            self.next_bin = self.last_event_bin = first
        while self.next_bin <= limit:
            yield from self._slabs(self.next_bin)
            self.next_bin = self._following(inputs, limit)

    def _limit(self, inputs: Sequence[Input]) -> int:
        """Return the last bin that may close.

        Where every partition is idle or ended, that is what some watermark has passed: silence
        alone closes no bin.
        """
        limit = min(_through(place) for place in inputs)
        return limit if limit < NEVER else max(place.passed for place in inputs)

    def _following(self, inputs: Sequence[Input], limit: int) -> int:
        """Return the bin after ``next_bin``, or, while the feed sleeps, the next with news."""
        following = (self.next_bin or 0) + 1
        if following <= self.last_event_bin + self.rules.settings.forecast.horizon:
            return following
        news = [place.pending[0][0] for place in inputs if place.pending]
        return max(following, min([limit + 1, *news]))

    def _slabs(self, bin_: int) -> Iterator[Slab | LateBins]:
        self._forget(bin_)
        touched: set[int] = set()
        yield from self._apply(bin_, touched)
        self._forget_told(bin_)
        for earlier in sorted(touched - {bin_}):
            self.revisions[earlier] = self.revisions.get(earlier, 0) + 1
            yield self._slab(earlier)
        slab = self._slab(bin_)
        if slab.events:
            self.last_event_bin = bin_
        if bin_ <= self.last_event_bin + self.rules.settings.forecast.horizon:
            self.revisions.setdefault(bin_, 0)
            yield slab

    def _apply(self, bin_: int, touched: set[int]) -> Iterator[LateBins]:
        """Take over the versions that count from slab ``bin_`` on; yield what comes too late.

        The bins whose values change are added to ``touched``.
        """
        shares = [
            (key, place, upto, boundary, sums)
            for key, place in (self.inputs or {}).items()
            for boundary, upto, sums in place.take(bin_)
        ]
        due = []
        for key, place, upto, boundary, sums in shares:
            if sums.bin < (self.floor or 0) or self.rules.is_beyond(sums.bin, bin_):
                yield from self._too_late(key, place, upto, sums)
            else:
                due.append((key, upto, boundary, sums, sums.cells))
        self._join(cells for *_, cells in due)
        for key, upto, boundary, sums, seen in due:
            versions = self.versions.setdefault(sums.bin, {})
            known = versions.get(key)
            if known is None or (upto, boundary) > (known.upto, known.boundary):
                cells = np.array([self.cells.add(cell) for cell in seen], np.int64)
                versions[key] = Version(upto, boundary, cells, sums.sums)
                touched.add(sums.bin)

    def _too_late(
        self, key: tuple[str, int], place: Input, upto: int, sums: BinSums
    ) -> Iterator[LateBins]:
        """Yield what of ``sums`` neither a slab holds nor an earlier answer told of."""
        total = int(sums.sums[0].sum())
        fresh = total - place.told.get(sums.bin, 0)
        if fresh > 0:
            place.told[sums.bin] = total
            self.beyond_reach += fresh
            yield LateBins(*key, sums.bin, upto, fresh, tuple(sums.cells))

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
        return Slab(
            bin=bin_,
            values=values,
            events=int(total[0].sum()),
            revision=self.revisions.get(bin_, 0),
            censored=series_marks(self.rules.settings, total[1:]),
            counts=series_counts(self.rules.settings, total[1:]),
        )

    def _forget(self, now: int) -> None:
        """Forget what bins beyond reach are made of, but how much each partition has in them."""
        for bin_ in [b for b in self.revisions if self.rules.is_beyond(b, now)]:
            self.revisions.pop(bin_)
            for key, version in self.versions.pop(bin_, {}).items():
                (self.inputs or {})[key].told[bin_] = int(version.sums[0].sum())

    def _forget_told(self, now: int) -> None:
        """Forget bins that partitions themselves do not take events for any more."""
        for place in (self.inputs or {}).values():
            own = min(now, place.passed)
            place.told = {b: n for b, n in place.told.items() if not self.rules.is_beyond(b, own)}


def _through(place: Input) -> int:
    return -1 if place.through is None else place.through
