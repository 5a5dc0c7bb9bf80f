"""What came too late, folded into the store afterwards.

A bin is folded once no correction of it can come any more, so that the forecaster's revisions and
ours never meet. Nothing is kept of what was folded: the stored values tell. A bin of which they
are no recount of the log, with however many of its late events, is left as it is and named.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from tidecast.state.bins import BinGrid
from tidecast.state.settings import Settings
from tidecast.streams.recount.compare import within_cells
from tidecast.streams.recount.held import held_steps, with_late
from tidecast.streams.recount.live import Bar, LiveRecount
from tidecast.streams.recount.logs import TopicReader
from tidecast.streams.recount.stored import StoredActuals
from tidecast.streams.recount.sums import CELL, CENSORED, EVENTS, figures_of
from tidecast.streams.store import Store

__all__ = ["Amendment", "Change", "LatePlan", "plan_late_replay", "write_amendments"]

SECOND = 1_000_000
ROWS = 100_000  # of one insert
Row = tuple[str, str, str, float, int]  # series, region, category, value, censored


@dataclass(frozen=True)
class Change:
    """A stored value that late events change; None where there was no row."""

    bin: int
    region: str
    category: str
    series: str
    before: float | None
    after: float


@dataclass(frozen=True)
class Amendment:
    """A bin with its late events: all rows it is to have in the store, and what is new in them."""

    bin: int
    revision: int
    rows: Sequence[Row]
    changes: Sequence[Change]


@dataclass
class LatePlan:
    """What is to be written, and why the rest is not.

    ``events`` counts the late events of bins that may be folded; ``done`` bins hold theirs
    already, ``waiting`` ones may still be corrected or are not stored yet; ``refused`` says why.
    """

    events: int = 0
    amendments: list[Amendment] = field(default_factory=list)
    done: int = 0
    waiting: int = 0
    refused: list[str] = field(default_factory=list)


def plan_late_replay(settings: Settings, store: Store, bar: Bar) -> LatePlan:
    """Recount the source topics, and return what late events change in the store.

    Raises
    ------
    ServiceError
        When there is no broker, or a topic is missing.
    StoreError
        When the store is away or refuses.
    """
    with TopicReader(settings.kafka) as reader:
        live = LiveRecount(settings, reader, bar)
    return Planner(live, StoredActuals(settings, store)).plan()


def write_amendments(settings: Settings, store: Store, amendments: Sequence[Amendment]) -> None:
    """Write the bins, whole, each in one insert; a run that is cut short is run again."""
    grid = BinGrid(settings.bins.width, settings.shop.time_zone)
    for piece in _pieces(amendments):
        rows = [
            (*row[:3], grid.start(each.bin) // SECOND, grid.end(each.bin) // SECOND, *row[3:])
            for each in piece
            for row in each.rows
        ]
        names = ("series", "region", "category", "bin_start", "bin_end", "value", "censored")
        columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
        columns["revision"] = [each.revision for each in piece for _ in each.rows]
        store.insert("actuals", columns)


def _pieces(amendments: Sequence[Amendment]) -> Iterator[list[Amendment]]:
    piece: list[Amendment] = []
    for each in amendments:
        if piece and sum(len(other.rows) for other in (*piece, each)) > ROWS:
            yield piece
            piece = []
        piece.append(each)
    if piece:
        yield piece


class Planner:
    """Decides, bin by bin, what becomes of its late events."""

    def __init__(self, live: LiveRecount, actuals: StoredActuals) -> None:
        self._live, self._actuals = live, actuals
        self._settings = live.settings
        self._counted, self._late = live.counted(), live.late()

    def plan(self) -> LatePlan:
        """Return what is to be written."""
        plan = LatePlan()
        due = [bin_ for bin_ in self._late.bins if self._is_final(bin_)]
        plan.waiting = len(self._late.bins) - len(due)
        for bin_, found in self._actuals.frames(due):
            plan.events += int(self._late.of(bin_)[EVENTS].sum())
            self._judge(plan, bin_, found)
        return plan

    def _is_final(self, bin_: int) -> bool:
        """Tell whether no correction can come, and the last one is in the store."""
        return self._live.is_final(bin_) and self._live.is_stored(bin_)

    def _judge(self, plan: LatePlan, bin_: int, found: pl.DataFrame) -> None:
        name = f"bin {self._live.name(bin_)}"
        if bin_ < self._live.whole_from:
            plan.refused.append(f"{name}: records of it are gone from the source topics")
            return
        sums, late = self._counted.of(bin_), self._late.of(bin_)
        lacking = self._live.past.lacking(bin_)
        held = held_steps(self._settings, bin_, sums, late, found, lacking)
        if not held.is_known:
            where = "its cells, taken together," if held.odd is None else "/".join(held.odd)
            plan.refused.append(
                f"{name}: {where} is in the store what the log gives with no number of its late "
                "events: see `tidecast verify --kafka`"
            )
        elif held.is_whole:
            plan.done += 1
        else:
            plan.amendments.append(self._amendment(bin_, found))

    def _amendment(self, bin_: int, found: pl.DataFrame) -> Amendment:
        sums = within_cells(with_late(self._counted.of(bin_), self._late.of(bin_)), found)
        whole = sums.drop("bin").join(found, on=CELL, how="full", coalesce=True).sort(CELL)
        names = [name for name in sums.columns if name not in ("bin", *CELL)]
        lacking = self._live.past.lacking(bin_)
        figures = {
            name: figure.tolist()
            for name, figure in figures_of(
                self._settings, whole.with_columns(pl.col(names).fill_null(0)), lacking
            ).items()
        }
        cells = list(whole.select(CELL).iter_rows())
        changes = [
            Change(bin_, region, category, name, before, after)
            for name, figure in figures.items()
            for (region, category), before, after in zip(
                cells, whole[f"{name}.value"], figure, strict=True
            )
            if before is None or not _same(before, after)
        ]
        rows = _rows(cells, figures)
        return Amendment(bin_, self._actuals.revisions.get(bin_, 0) + 1, rows, changes)


def _rows(cells: Sequence[tuple[str, ...]], figures: Mapping[str, Sequence[float]]) -> list[Row]:
    """Return the rows of a bin: a value of each series and cell, and whether it is censored."""
    nowhere = [0.0] * len(cells)
    return [
        (series, region, category, value, int(mark))
        for series, values in figures.items()
        if not series.endswith(CENSORED)
        for (region, category), value, mark in zip(
            cells, values, figures.get(series + CENSORED, nowhere), strict=True
        )
    ]


def _same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))
