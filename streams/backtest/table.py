"""A long table as slabs: a row holds a time, a region, a category and values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import polars as pl
import xxhash
from numpy.typing import NDArray

from tidecast.state.bins import BinGrid
from tidecast.state.cells import ALL, Cell
from tidecast.state.errors import LogError
from tidecast.state.slabs import Slab
from tidecast.streams.backtest.columns import Columns
from tidecast.streams.backtest.files import why
from tidecast.streams.backtest.meaning import Absent, Aggregate
from tidecast.streams.backtest.times import micros_of

__all__ = ["NONE", "Table", "binned_rows", "places_of", "read_table"]

NONE = "(none)"
"""The region, or category, of rows that lack one in a table whose others have one."""

COUNT = "count"
"""The column of how much each row's means are of, where there is one."""

SPARSE = 0.2
"""A share of absent rows from which a table without a single zero is taken for one of events."""

SEVERAL = 2.0
"""Rows of a bin, in the mean, from which bins without any are taken for unrecorded."""


@dataclass(frozen=True)
class Table:
    """Values of bins and cells, a row each where there is one, in the order of bins.

    ``bins`` and ``rows`` (row,) say which bin and cell; ``values`` is (row, series). ``cells``
    are in the order in which they appear. What is not there is ``absent``: 0 or NaN. ``censored``,
    (row,), marks rows in which less came than was wanted, and ``counts``, (row,), tell how much
    their means are of (None: not known): see `Slab`. ``n_timeless`` rows
    were left out: they have no time, or one that the clocks skipped. ``n_merged`` were of a bin and
    cell that another row is of.
    """

    grid: BinGrid
    series: tuple[str, ...]
    cells: tuple[Cell, ...]
    bins: NDArray[np.int64]
    rows: NDArray[np.int64]
    values: NDArray[np.float64]
    absent: float
    censored: NDArray[np.bool_]
    counts: NDArray[np.float64] | None = None
    n_timeless: int = 0
    n_merged: int = 0

    @property
    def first_bin(self) -> int:
        """The first bin that has a row."""
        return int(self.bins[0])

    @property
    def last_bin(self) -> int:
        """The last bin that has a row."""
        return int(self.bins[-1])

    @property
    def n_bins(self) -> int:
        """Bins from the first to the last."""
        return self.last_bin - self.first_bin + 1

    @cached_property
    def _known_cells(self) -> NDArray[np.int64]:
        """Cells that have appeared by the end of each row: (row,)."""
        return np.maximum.accumulate(self.rows) + 1

    def slabs(self, first_bin: int | None = None) -> Iterator[tuple[Slab, Sequence[Cell]]]:
        """Yield the slab of every bin from ``first_bin`` on, and the cells that it has."""
        first = self.first_bin if first_bin is None else first_bin
        ends = np.searchsorted(self.bins, np.arange(first, self.last_bin + 2))
        for number, (start, end) in enumerate(pairwise(ends)):
            n_cells = int(self._known_cells[end - 1])
            values = np.full((n_cells, len(self.series)), self.absent)
            values[self.rows[start:end]] = self.values[start:end]
            rows = slice(start, end)
            marks, counts = self._marks(rows, values.shape), self._counts(rows, values.shape)
            slab = Slab(first + number, values, int(end - start), censored=marks, counts=counts)
            yield slab, self.cells[:n_cells]

    def _marks(self, rows: slice, shape: tuple[int, ...]) -> NDArray[np.bool_] | None:
        """Return where a bin is censored, (cell, series); None = nowhere."""
        if not self.censored[rows].any():
            return None
        marks = np.zeros(shape, dtype=bool)
        marks[self.rows[rows]] = self.censored[rows, None]
        return marks

    def _counts(self, rows: slice, shape: tuple[int, ...]) -> NDArray[np.float64] | None:
        """Return how much each mean of a bin is of, (cell, series); None = not known."""
        if self.counts is None:
            return None
        counts = np.zeros(shape)
        counts[self.rows[rows]] = self.counts[rows, None]
        return counts

    def fingerprint(self) -> str:
        """Return a hash of all that is in it."""
        found = xxhash.xxh3_128()
        counts = [] if self.counts is None else [self.counts]
        for array in (self.bins, self.rows, self.values, self.censored, *counts):
            found.update(array.tobytes())
        found.update(repr((self.series, self.cells, self.absent, self.grid.width)).encode())
        return found.hexdigest()


def read_table(
    frame: pl.LazyFrame,
    columns: Columns,
    grid: BinGrid,
    aggregate: Aggregate = "sum",
    absent: Absent = "auto",
) -> Table:
    """Return the rows of a table, those of one bin and cell made one.

    A row without a finite value is as absent as one that is not there, but its bin is NaN.

    Raises
    ------
    LogError
        When the table cannot be read, names a cell as sums are, or has no row with a time and a
        value.
    """
    try:
        found = frame.select(_wanted(columns)).collect()
        binned = binned_rows(found, columns, grid)
        rows = _aggregated(binned, columns.values, aggregate).sort("bin", "region", "category")
    except pl.exceptions.PolarsError as error:
        raise LogError(f"the table cannot be read: {why(error)}") from error
    table = _numbered(rows, columns.values, grid, absent)
    if not table.cells:
        raise LogError(
            f"the table has no row with a {columns.time} and a number in {columns.values[0]}"
        )
    _check_places(table.cells, columns)
    n_timeless, n_merged = found.height - binned.height, binned.height - rows.height
    return replace(table, n_timeless=n_timeless, n_merged=n_merged)


def _check_places(cells: Sequence[Cell], columns: Columns) -> None:
    """Refuse names by which sums of cells are called."""
    for name, named in ((columns.region, 0), (columns.category, 1)):
        if name is not None and any(cell[named] == ALL for cell in cells):
            raise LogError(f"column {name!r} holds {ALL}, which is what sums are called: rename it")


def _wanted(columns: Columns) -> list[pl.Expr]:
    values = [pl.col(name).cast(pl.Float64).alias(f"value {name}") for name in columns.values]
    marks = pl.lit(False) if columns.censored is None else pl.col(columns.censored)
    censored = marks.cast(pl.Boolean).fill_null(False).alias("censored")
    time = pl.col(columns.time).alias("time")
    return [time, *places_of(columns), *values, censored, *_counts(columns)]


def places_of(columns: Columns) -> list[pl.Expr]:
    """Return region and category of rows; `ALL` without such a column, `NONE` where it is empty."""
    places = []
    for what, name in (("region", columns.region), ("category", columns.category)):
        texts = pl.lit("") if name is None else pl.col(name).cast(pl.String).fill_null("")
        empty = ALL if name is None else NONE
        places.append(pl.when(texts == "").then(pl.lit(empty)).otherwise(texts).alias(what))
    return places


def _counts(columns: Columns) -> list[pl.Expr]:
    """Return the column of weights, at least 0, where there is one."""
    if columns.weight is None:
        return []
    weight = pl.col(columns.weight).cast(pl.Float64)
    return [pl.when(weight.is_finite() & (weight > 0.0)).then(weight).otherwise(0.0).alias(COUNT)]


def binned_rows(found: pl.DataFrame, columns: Columns, grid: BinGrid) -> pl.DataFrame:
    """Return the rows that have a ``time``, with the number of its ``bin``.

    Raises
    ------
    LogError
        When the column holds no times.
    """
    times = micros_of(found["time"], columns.time, grid)
    rows = found.with_columns(times.alias("time")).drop_nulls("time")
    return rows.with_columns(pl.Series("bin", grid.index(rows["time"].to_numpy())))


def _aggregated(rows: pl.DataFrame, values: Sequence[str], aggregate: Aggregate) -> pl.DataFrame:
    """Return one row of each bin and cell; NaN where no value is finite."""
    parts = [pl.col("censored").any()]
    parts += [pl.col(COUNT).sum()] if COUNT in rows.columns else []
    for name in values:
        value = pl.col(f"value {name}")
        kept = value.filter(value.is_finite())
        mean = kept.mean()
        if COUNT in rows.columns:
            counts = pl.col(COUNT).filter(value.is_finite())
            mean = (kept * counts).sum() / counts.sum()
        made = {"sum": kept.sum(), "mean": mean, "count": kept.len().cast(pl.Float64)}
        some = pl.when(kept.len() > 0).then(made[aggregate]).otherwise(None)
        parts.append(some.fill_null(float("nan")).alias(f"value {name}"))
    return rows.group_by("bin", "region", "category").agg(parts)


def _numbered(rows: pl.DataFrame, series: Sequence[str], grid: BinGrid, absent: Absent) -> Table:
    """Number the cells as they appear: at their first value."""
    cell = ["region", "category"]
    named = [f"value {name}" for name in series]  # a value may be called as one of our columns
    some = pl.any_horizontal([pl.col(name).is_finite() for name in named])
    born = rows.filter(some).unique(cell, keep="first", maintain_order=True)
    born = born.select(*cell, pl.col("bin").alias("born")).with_row_index("row")
    rows = rows.join(born, on=cell, maintain_order="left").filter(pl.col("bin") >= pl.col("born"))
    values = rows.select(named).to_numpy().astype(np.float64)  # (row, series)
    if not rows.height:
        none = np.zeros(0, np.int64)
        return Table(grid, tuple(series), (), none, none, values, np.nan, none.astype(bool))
    bins = rows["bin"].to_numpy()
    if absent == "auto":
        of_events = COUNT not in rows.columns and _is_sparse(values, bins, born["born"].to_numpy())
        absent = "zero" if of_events else "missing"  # a mean of nothing is no zero
    cells = tuple(Cell(*names) for names in born.select(cell).iter_rows())
    numbers = rows["row"].to_numpy().astype(np.int64)
    fill = 0.0 if absent == "zero" else np.nan
    censored = rows["censored"].to_numpy()
    counts = rows[COUNT].to_numpy() if COUNT in rows.columns else None
    return Table(grid, tuple(series), cells, bins, numbers, values, fill, censored, counts)


def _is_sparse(
    values: NDArray[np.float64], bins: NDArray[np.int64], born: NDArray[np.int64]
) -> bool:
    """Tell whether rows that are not there stand for nothing sold, rather than nothing known.

    So it is where many are not there, and no zero ever is. Where bins have rows of several cells, a
    bin without any is one that nobody recorded: it tells nothing of those that were.
    """
    recorded = np.unique(bins)
    if len(bins) < SEVERAL * len(recorded):
        recorded = np.arange(bins[0], bins[-1] + 1)
    expected = (len(recorded) - np.searchsorted(recorded, born)).sum()
    return bool((values > 0).all()) and len(values) < (1 - SPARSE) * expected
