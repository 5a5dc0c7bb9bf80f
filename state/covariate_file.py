"""Covariates of CSV tables: a time, a value, and what they are of."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from tidecast.state.bins import BinGrid, to_micros
from tidecast.state.covariates import ALWAYS, FOREVER, Covariate, CovariateTable, Key
from tidecast.state.errors import SettingsError
from tidecast.state.settings import CovariateSettings, Settings

__all__ = ["empty_covariate", "read_covariates"]

Row = tuple[int, Key, float, int]


def read_covariates(settings: Settings) -> CovariateTable:
    """Read the tables that the settings name; of what a topic tells there is nothing yet.

    Raises
    ------
    SettingsError
        Naming the file, the line and what is wrong with it.
    """
    grid = BinGrid(settings.bins.width, settings.shop.time_zone)
    return CovariateTable([_read(covariate, grid) for covariate in settings.covariates])


def _read(of: CovariateSettings, grid: BinGrid) -> Covariate:
    if of.table is None:
        return empty_covariate(of)
    rows = list(_rows(of.table, None if of.kind == "static" else grid))
    keys = {key: number for number, key in enumerate(dict.fromkeys(row[1] for row in rows))}
    return Covariate(
        of.name,
        tuple(keys),
        np.array([row[0] for row in rows], np.int64),
        np.array([keys[row[1]] for row in rows], np.int64),
        np.array([row[2] for row in rows], np.float64),
        np.array([row[3] for row in rows], np.int64),
        np.nan if of.absent is None else of.absent,
        of.kind,
    )


def empty_covariate(of: CovariateSettings) -> Covariate:
    """Return a covariate of which nothing is told."""
    none = np.zeros(0, np.int64)
    absent = np.nan if of.absent is None else of.absent
    return Covariate(of.name, (), none, none, np.zeros(0), none, absent, of.kind)


def _rows(path: Path, grid: BinGrid | None) -> Iterator[Row]:
    """Yield the rows of a table; without a grid they are of no time."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.DictReader(file)
            _check_columns(path, {"value"} if grid is None else {"time", "value"}, lines.fieldnames)
            for line in lines:
                yield _row(path, lines.line_num, line, grid)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(f"covariates.table = {str(path)!r} cannot be read: {error}") from error


def _check_columns(path: Path, needed: set[str], names: Sequence[str] | None) -> None:
    if missing := needed - set(names or ()):
        raise SettingsError(
            f"covariates.table = {str(path)!r} lacks the column(s) {', '.join(sorted(missing))}: "
            'write time,value (of kind = "static" only value), and region, category, known_at as '
            "far as there are any"
        )


def _row(path: Path, number: int, line: Mapping[str, str], grid: BinGrid | None) -> Row:
    bin_, known_at = FOREVER, ALWAYS
    try:
        value = float(line["value"]) if line["value"] else math.nan
        if grid is not None:
            bin_ = int(grid.index(np.array([_micros(line["time"], grid)]))[0])
            known_at = _micros(line["known_at"], grid) if line.get("known_at") else ALWAYS
    except (TypeError, ValueError, OverflowError) as error:
        raise SettingsError(
            f"covariates.table = {str(path)!r}, line {number}: give ISO 8601 times and a number "
            f"({error})"
        ) from error
    return bin_, (line.get("region"), line.get("category")), value, known_at


def _micros(text: str, grid: BinGrid) -> int:
    """Return microseconds of a time; without an offset it is the shop's local time."""
    moment = datetime.fromisoformat(text)
    return to_micros(moment if moment.tzinfo else moment.replace(tzinfo=grid.zone))
