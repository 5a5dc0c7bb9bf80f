"""What a network is trained on: a long table, or an array of bins and cells, read whole."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidecast.models.deep.history import calendar_of
from tidecast.state.bins import BinGrid, to_micros
from tidecast.state.cells import ALL, Cell
from tidecast.state.covariates import ALWAYS, FOREVER, CovariateTable, Kind
from tidecast.state.errors import LogError
from tidecast.streams.backtest.columns import find_columns
from tidecast.streams.backtest.files import open_table
from tidecast.streams.backtest.known import read_known
from tidecast.streams.backtest.meaning import Absent
from tidecast.streams.backtest.places import read_places
from tidecast.streams.backtest.table import Table, read_table
from tidecast.streams.backtest.times import parse_frequency

__all__ = ["Asked", "Data", "bin_of", "read_data"]

AT_LAST = np.iinfo(np.int64).max
NUMBERS = "buif"
"""Kinds of numpy's types."""

Positions = Mapping[str, tuple[float, float]]
Ahead = Callable[[int], NDArray[np.float64]]


@dataclass(frozen=True)
class Asked:
    """How to read the data, as given on the command line; None = not given."""

    freq: str
    timezone: str = "UTC"
    time: str | None = None
    region: str | None = None
    category: str | None = None
    value: tuple[str, ...] = ()
    absent: Absent = "auto"
    missing: float | None = None
    start: str | None = None
    regions: Path | None = None
    future: tuple[str, ...] = ()
    static: tuple[str, ...] = ()

    @property
    def covariates(self) -> dict[str, Kind]:
        """The columns that are covariates, and of which kind."""
        future: dict[str, Kind] = dict.fromkeys(self.future, "known")
        return future | dict.fromkeys(self.static, "static")


@dataclass(frozen=True)
class Data:
    """Values of all bins and cells, (bin, cell, series), NaN = missing."""

    values: NDArray[np.float32]
    series: tuple[str, ...]
    cells: tuple[Cell, ...]
    grid: BinGrid
    first_bin: int
    positions: Positions
    covariates: CovariateTable = field(default_factory=CovariateTable)

    def calendar(self, ahead: int) -> NDArray[np.int64]:
        """Return the calendar of all bins and ``ahead`` more: (bin, 2)."""
        return calendar_of(self.grid, self.first_bin, len(self.values) + ahead)

    def future(self, numbers: range) -> NDArray[np.float64]:
        """Return covariates of bins, the first of all is 0, NaN missing: (bin, cell, covariate).

        Each is what was known at the end of its bin, of those ahead at the end of the last one.
        """
        bins = range(self.first_bin + numbers.start, self.first_bin + numbers.stop)
        last = self.first_bin + len(self.values) - 1
        ends = np.array([self.grid.end(min(bin_, last)) for bin_ in bins], np.int64)
        table = self.covariates.of_kind("known")
        return table.at(bins, table.columns(self.cells), ends).transpose(1, 2, 0)

    def ahead(self, horizon: int) -> Ahead | None:
        """Return what tells of the covariates of ``horizon`` bins as they were known at an origin.

        Of the number of bins that are known it makes (lead, cell, covariate), NaN = missing. There
        is none where all was known at any time.
        """
        table = self.covariates.of_kind("known")
        if all((of.known_at == ALWAYS).all() for of in table.covariates):
            return None
        columns = table.columns(self.cells)

        def known_at(origin: int) -> NDArray[np.float64]:
            first = self.first_bin + origin
            bins = range(first, first + horizon)
            return table.at(bins, columns, self.grid.start(first)).transpose(1, 2, 0)

        return known_at

    @property
    def static(self) -> NDArray[np.float64]:
        """Covariates that never change, as known last, NaN = missing: (cell, covariate)."""
        table = self.covariates.of_kind("static")
        found = table.at(range(FOREVER, FOREVER + 1), table.columns(self.cells), AT_LAST)
        return found[:, 0].T

    def names(self, kind: Kind) -> tuple[str, ...]:
        """Return the names of the covariates of a kind."""
        return self.covariates.of_kind(kind).names

    def are_counts(self) -> bool:
        """Tell whether all values are whole numbers and none is negative."""
        known = self.values[np.isfinite(self.values)]
        return bool((known >= 0).all() and (known == np.floor(known)).all())


def read_data(path: Path, asked: Asked) -> Data:
    """Return what is in a table, or in the array of an ``.npz``.

    Raises
    ------
    LogError
        When it cannot be read, or its columns or arrays are not known.
    SettingsError
        When an option makes no sense.
    """
    grid = BinGrid(parse_frequency(asked.freq), asked.timezone)
    positions = read_places(asked.regions) if asked.regions else {}
    if path.suffix == ".npz":
        return _of_array(path, asked, grid, positions)
    frame = open_table(path)
    covariates = asked.covariates
    columns = find_columns(
        frame.collect_schema(),
        asked.time,
        asked.region,
        asked.category,
        asked.value,
        covariates=(*asked.future, *asked.static),
    )
    known = read_known(frame, columns, covariates, grid)
    table = read_table(frame, columns, grid, absent=asked.absent)
    values = _known(_dense(table), asked.missing)
    return Data(values, table.series, table.cells, grid, table.first_bin, positions, known)


def _dense(table: Table) -> NDArray[np.float64]:
    """Return the values of a table; a cell begins with its first: (bin, cell, series)."""
    n_cells = len(table.cells)
    values = np.full((table.n_bins, n_cells, len(table.series)), table.absent)
    bins = table.bins - table.first_bin
    values[bins, table.rows] = table.values
    born = np.full(n_cells, table.n_bins)
    np.minimum.at(born, table.rows, bins)
    values[np.arange(table.n_bins)[:, None] < born] = np.nan
    return values


def _of_array(path: Path, asked: Asked, grid: BinGrid, positions: Positions) -> Data:
    """Return the array of an ``.npz``: (bin, cell) or (bin, cell, series)."""
    if asked.covariates:
        raise LogError("an array has no columns: covariates are for tables")
    arrays = _arrays(path)
    name = _name(path, arrays, asked.value)
    values = arrays[name].astype(np.float64)
    if values.ndim == 2:
        values = values[:, :, None]
    series = (name,) if values.shape[2] == 1 else tuple(map(str, range(values.shape[2])))
    cells = tuple(Cell(str(number), ALL) for number in range(values.shape[1]))
    first = _first_bin(path, asked.start or str(arrays.get("start", "")), grid)
    return Data(_known(values, asked.missing), series, cells, grid, first, positions)


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    if not path.is_file():
        raise LogError(f"no array {path}: check the path")
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise LogError(f"array {path} cannot be read: {error}") from error


def _name(path: Path, arrays: Mapping[str, NDArray[Any]], given: tuple[str, ...]) -> str:
    """Return the array that is given, or the only one, of numbers by bin and cell."""
    fit = [name for name, a in arrays.items() if a.ndim in (2, 3) and a.dtype.kind in NUMBERS]
    names = given or fit
    if not fit:
        raise LogError(f"no array of {path} is one of numbers, (bin, cell) or (bin, cell, series)")
    if len(names) != 1 or names[0] not in fit:
        raise LogError(
            f"which array of {path} holds bins and cells? say --value, one of {', '.join(fit)}"
        )
    return names[0]


def _first_bin(path: Path, start: str, grid: BinGrid) -> int:
    """Return the bin that begins at ``start``, local time."""
    try:
        moment = datetime.fromisoformat(start)
    except ValueError as error:
        raise LogError(
            f"when does {path} start? say --start, such as 2024-03-01T00:00: {error}"
        ) from error
    return bin_of(grid, moment)


def bin_of(grid: BinGrid, moment: datetime) -> int:
    """Return the bin that holds ``moment``, local time where it does not say."""
    local = moment if moment.tzinfo else moment.replace(tzinfo=grid.zone)
    return int(grid.index(np.array([to_micros(local)]))[0])


def _known(values: NDArray[np.float64], missing: float | None) -> NDArray[np.float32]:
    """Return ``values`` with what is not finite, or means that nothing is known, as NaN."""
    known = np.isfinite(values) & (values != missing)
    return np.where(known, values, np.nan).astype(np.float32)
