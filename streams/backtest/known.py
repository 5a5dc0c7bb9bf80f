"""Columns of a long table that are covariates."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from tidecast.state.bins import BinGrid
from tidecast.state.covariates import ALWAYS, FOREVER, Covariate, CovariateTable, Kind
from tidecast.state.errors import LogError
from tidecast.streams.backtest.columns import Columns
from tidecast.streams.backtest.files import why
from tidecast.streams.backtest.table import binned_rows, places_of

__all__ = ["read_known"]

CELL = ("region", "category")


def read_known(
    frame: pl.LazyFrame, columns: Columns, kinds: Mapping[str, Kind], grid: BinGrid
) -> CovariateTable:
    """Return the columns that ``kinds`` names as covariates that were always known.

    Several rows of a bin and cell, of a static one all rows of a cell, are averaged. A bin without
    a row is missing.

    Raises
    ------
    LogError
        When a column holds no numbers.
    """
    names = list(kinds)
    if not names:
        return CovariateTable()
    try:
        values = [pl.col(name).cast(pl.Float64).alias(f"value {name}") for name in names]
        time = pl.col(columns.time).alias("time")
        found = frame.select(time, *places_of(columns), *values).collect()
    except pl.exceptions.PolarsError as error:
        raise LogError(f"covariates {', '.join(names)} cannot be read: {why(error)}") from error
    rows = binned_rows(found, columns, grid)
    return CovariateTable([_of_column(rows, name, kind) for name, kind in kinds.items()])


def _of_column(rows: pl.DataFrame, name: str, kind: Kind) -> Covariate:
    value = pl.col(f"value {name}")
    if kind == "static":
        rows = rows.with_columns(pl.lit(FOREVER, pl.Int64).alias("bin"))
    rows = rows.filter(value.is_finite()).group_by("bin", *CELL).agg(value.mean())
    rows = rows.sort("bin", *CELL)
    keys = rows.select(CELL).unique(maintain_order=True).with_row_index("place")
    rows = rows.join(keys, on=CELL, maintain_order="left")
    return Covariate(
        name,
        tuple((region, category) for _, region, category in keys.iter_rows()),
        rows["bin"].to_numpy(),
        rows["place"].to_numpy().astype(np.int64),
        rows[f"value {name}"].to_numpy(),
        np.full(rows.height, ALWAYS),
        kind=kind,
    )
