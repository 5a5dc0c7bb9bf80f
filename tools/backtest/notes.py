"""What a backtest says of its table before it begins, and of its guards when it is over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from tidecast.state.bins import BinGrid
from tidecast.streams.backtest.sources import Slabs
from tidecast.streams.backtest.table import NONE, Table
from tidecast.streams.backtest.times import undecided

__all__ = ["note_of_time", "notes_of_dates", "notes_of_guards", "notes_of_table"]

SUSPENDED = {"burst": "bursts", "shared_burst": "bursts of all cells", "outage": "outages"}
"""What the guards call values that nobody learns from, and how it is told."""


def note_of_time(slabs: Slabs, grid: BinGrid) -> str:
    """Say when the past begins and ends: the quickest way to see times that were read wrongly."""
    first, end = grid.local(slabs.first_bin), grid.local(slabs.last_bin + 1)
    return f"from {first:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} ({grid.zone})"


def notes_of_dates(texts: pl.Series) -> list[str]:
    """Say how dates were read of which nothing tells whether the day or the month comes first."""
    if (found := undecided(texts)) is None:
        return []
    day, month, year = found
    return [
        f"dates are read day first, {day:02}/{month:02}/{year} as {year}-{month:02}-{day:02}: no "
        f"number above 12 tells. Where the month comes first, write {year}-{day:02}-{month:02}"
    ]


def notes_of_table(table: Table, places: Mapping[str, Any]) -> list[str]:
    """Say what became of the rows of a table, a line each; ``places`` are those of regions."""
    return [*_of_rows(table), *_of_cells(table, places)]


def notes_of_guards(
    actions: Mapping[str, Mapping[str, int]], resets: Mapping[str, int]
) -> list[str]:
    """Say what the guards did, a line a series, by the counts of their ``actions`` there.

    ``resets`` are those of experts. Nothing is said where nothing was done.
    """
    notes = []
    for series, counts in actions.items():
        parts = [f"{counts[what]:,} for {name}" for what, name in SUSPENDED.items() if counts[what]]
        told = [f"values taken {', '.join(parts)} were not learnt from"] if parts else []
        told += [f"{counts['shift']:,} shifts of a level were believed"] if counts["shift"] else []
        notes += [f"{series}: {'; '.join(told)}"] if told else []
    begun = [f"{expert} {count:,} times" for expert, count in resets.items() if count]
    return [*notes, *([f"began anew, having diverged: {', '.join(begun)}"] if begun else [])]


def _of_rows(table: Table) -> list[str]:
    """Say which rows of the table do not stand for a value of their own."""
    notes = []
    if table.n_timeless:
        notes.append(
            f"{table.n_timeless:,} rows are left out: they have no time, or one that the clocks of "
            f"{table.grid.zone} skip"
        )
    if table.n_merged:
        notes.append(
            f"{table.n_merged:,} rows are of a bin and cell that another row is of: they make one "
            "value (--aggregate says how)"
        )
    if n_missing := int(np.isnan(table.values).sum()):
        notes.append(f"{n_missing:,} values are missing: empty, NaN or infinite")
    if any(NONE in cell for cell in table.cells):
        notes.append(f"rows without a region or category count as {NONE}")
    return notes


def _of_cells(table: Table, places: Mapping[str, Any]) -> list[str]:
    """Say what the table holds."""
    is_zero = table.absent == 0
    notes = [
        f"{len(table.cells):,} cells; a row that is not there "
        + ("stands for 0" if is_zero else "is a missing value")
        + " (--absent says otherwise)"
    ]
    filled = np.unique(table.bins)
    if n_empty := table.n_bins - len(filled):
        apart = np.diff(filled)
        longest = int(apart.argmax())
        until = table.grid.local(int(filled[longest + 1]))
        notes.append(
            f"{n_empty:,} of {table.n_bins:,} bins have no row at all; the longest gap, of "
            f"{apart[longest] - 1:,}, ends {until:%Y-%m-%d %H:%M}"
        )
        if (step := int(np.gcd.reduce(apart))) > 1:
            notes.append(f"rows are {step:,} bins apart, or a multiple of it: is --freq too short?")
    n_below = int((table.values < 0).sum())
    if n_below:
        notes.append(
            f"{n_below:,} values are below 0, which forecasts never are: do they mark gaps?"
        )
    if places:
        lying = sum(region in places for region in {cell.region for cell in table.cells})
        notes.append(f"{lying:,} regions have a position")
    return notes
