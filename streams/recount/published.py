"""What the forecaster has published: the last revision of each closed bin, and of which cuts."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import orjson
import polars as pl
import zstandard

from tidecast.state.cells import Cell
from tidecast.streams.recount.cover import Cover
from tidecast.streams.recount.sums import CENSORED
from tidecast.streams.schemas.windows import WindowRecord

__all__ = ["CutBook", "Key", "SlabBook"]

Key = tuple[str, int]
"""A source's name, and a partition of its topic."""


@dataclass(frozen=True)
class Kept:
    """A bin's last revision: where it stands in the topic, and its record, compressed."""

    revision: int
    offset: int
    record: bytes


class SlabBook:
    """The windows topic, read up to the slab of ``last_bin``; keeps the last revisions.

    A correction is sent before the slab that it belongs to; one that the slab of a later bin
    follows belongs to what is not looked at. ``forecasts`` has the series and cells that were
    forecast from the end of each bin.
    """

    def __init__(self, last_bin: int | None = None) -> None:
        self.last_bin = last_bin
        self.forecasts: dict[int, tuple[tuple[str, ...], tuple[Cell, ...]]] = {}
        self._kept: dict[int, Kept] = {}
        self._waiting: dict[int, Kept] = {}
        self._is_done = False
        self._cells: tuple[Cell, ...] = ()

    def note(self, offset: int, value: bytes) -> None:
        """Take one record of the topic.

        Raises
        ------
        ValueError
            When it is none.
        """
        record = WindowRecord.model_validate_json(value)
        bin_ = record.bin
        if self._is_done or (self.last_bin is not None and bin_ > self.last_bin):
            self._is_done = True
            self._waiting = {}
            return
        kept = Kept(record.revision, offset, zstandard.compress(value, 1))
        if not kept.revision:
            self._settle()
            self.forecasts[bin_] = (tuple(record.series), self._shared(record))
        if bin_ not in self._waiting or self._waiting[bin_].revision <= kept.revision:
            self._waiting[bin_] = kept

    def finish(self) -> None:
        """Take over what no later slab has called in question."""
        self._settle()

    @property
    def bins(self) -> list[int]:
        """The bins that have a slab, in order."""
        return sorted(self._kept)

    def revision(self, bin_: int) -> int:
        """Return the last revision of a bin."""
        return self._kept[bin_].revision

    def offset(self, bin_: int) -> int:
        """Return where the last revision of a bin stands in the topic; -1 where none does."""
        return self._kept[bin_].offset if bin_ in self._kept else -1

    def frame(self, bin_: int) -> pl.DataFrame:
        """Return what a bin has of each of the `figures`: region, category, FIGURE.value.

        NaN is missing. A bin that has no slab has no rows.
        """
        schema = {"region": pl.String, "category": pl.String}
        if bin_ not in self._kept:
            return pl.DataFrame(schema=schema)
        record = orjson.loads(zstandard.decompress(self._kept[bin_].record))
        frame = pl.DataFrame([record["regions"], record["categories"]], schema=schema)
        values = dict(zip(record["series"], record["values"], strict=True))
        marked = record.get("censored") or [[] for _ in values]
        for name, cells in zip(record["series"], marked, strict=True):
            values[name + CENSORED] = np.isin(np.arange(frame.height), cells).astype(np.float64)
        return frame.with_columns(
            pl.Series(f"{name}.value", column, pl.Float64).fill_null(float("nan"))
            for name, column in values.items()
        )

    def _settle(self) -> None:
        for bin_, kept in self._waiting.items():
            if bin_ not in self._kept or self._kept[bin_].revision <= kept.revision:
                self._kept[bin_] = kept
        self._waiting = {}

    def _shared(self, record: WindowRecord) -> tuple[Cell, ...]:
        cells = tuple(map(Cell, record.regions, record.categories))
        if cells != self._cells:
            self._cells = cells
        return self._cells


@dataclass
class CutBook:
    """The cuts topic up to ``position``: how far each source partition is in the closed bins.

    Parameters
    ----------
    settings
        Fingerprint of the settings of now. ``before`` has the partitions that have cuts made under
        others, ``since`` the first offset that one was cut at under those of now.
    position
        Offset of the cuts topic up to which the forecaster had read when ``last_bin`` was the
        last closed bin.
    last_bin
        The last closed bin.
    """

    settings: str
    position: int
    last_bin: int
    ranks: dict[Key, tuple[int, int]] = field(default_factory=dict)
    cuts: dict[Key, list[tuple[int, int]]] = field(default_factory=dict)
    told: dict[tuple[str, int, int], list[Cover]] = field(default_factory=dict)
    before: dict[Key, set[str]] = field(default_factory=dict)
    since: dict[Key, int] = field(default_factory=dict)

    def note(self, offset: int, value: bytes) -> None:
        """Take one record of the topic."""
        record = orjson.loads(value)
        if offset >= self.position or record["type"] not in ("cut", "idle"):
            return
        key = (record["source"], record["partition"])
        if record["settings"] != self.settings:
            self.before.setdefault(key, set()).add(record["settings"])
        else:
            self.since.setdefault(key, record["upto"])
        rank = (record["upto"], record.get("boundary", -1))
        for part in record["bins"]:
            self.told.setdefault((*key, part["bin"]), []).append(Cover(*rank))
        if record["type"] == "idle":
            self._take(key, rank)
        elif not record["ended"]:
            self.cuts.setdefault(key, []).append(rank)
            if rank[1] <= self.last_bin:
                self._take(key, rank)

    def _take(self, key: Key, rank: tuple[int, int]) -> None:
        if rank >= self.ranks.get(key, (-1, -1)):
            self.ranks[key] = rank

    def cover(self, key: Key) -> Cover:
        """Return how far a partition is in the closed bins; one never cut adds nothing yet."""
        return Cover(*self.ranks.get(key, (-1, -1)))

    def cover_before(self, key: Key, bin_: int, upto: int) -> Cover:
        """Return how far a partition is in a bin that took nothing from ``upto`` on."""
        told = [c for c in self.told.get((*key, bin_), ()) if c.upto < upto]
        return max(told, default=Cover(-1, -1))

    def cover_at(self, key: Key, bin_: int, upto: int) -> Cover:
        """Return how far a partition was in a bin when it told of it at offset ``upto``."""
        told = [c for c in self.told.get((*key, bin_), ()) if c.upto == upto]
        return max(told, default=Cover(upto, -1))

    def last_told(self, key: Key) -> int:
        """Return the last bin that a partition has told of; -1 where there is none."""
        return max((bin_ for *place, bin_ in self.told if tuple(place) == key), default=-1)

    def first_cut(self, key: Key, offset: int) -> tuple[int, int] | None:
        """Return (upto, boundary) of the first cut of ``key`` at ``offset`` or later."""
        return min((cut for cut in self.cuts.get(key, ()) if cut[0] >= offset), default=None)
