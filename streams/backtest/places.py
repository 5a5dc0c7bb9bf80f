"""What is known of the regions of a long table: another table, of region, lat and lng."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from tidecast.state.errors import LogError
from tidecast.streams.backtest.columns import NAMES
from tidecast.streams.backtest.files import open_table, why

__all__ = ["read_places", "read_region_holidays"]

WORDS = {
    "region": ("region", *NAMES["region"].split(), "name"),
    "lat": ("lat", "latitude"),
    "lng": ("lng", "lon", "long", "longitude"),
}


def read_places(path: Path) -> dict[str, tuple[float, float]]:
    """Return (lat, lng) in degrees of each region; those without a position are left out.

    Raises
    ------
    LogError
        When the table cannot be read, lacks a column, or gives a region twice or off the globe.
    """
    frame = open_table(path)
    plain = _plain_names(frame)
    taken = []
    for what, words in WORDS.items():
        name = next((plain[word] for word in words if word in plain), None)
        if name is None:
            raise LogError(f"regions {path} has no column {what}: name three region, lat and lng")
        dtype = pl.String if what == "region" else pl.Float64
        taken.append(pl.col(name).cast(dtype).alias(what))
    try:
        rows = frame.select(taken).drop_nulls().drop_nans(["lat", "lng"]).collect()
    except pl.exceptions.PolarsError as error:
        raise LogError(f"regions {path} cannot be read: {why(error)}") from error
    off = rows.filter((pl.col("lat").abs() > 90) | (pl.col("lng").abs() > 180))
    twice = rows.filter(pl.col("region").is_duplicated())
    for wrong, fault in ((off, "lies off the globe"), (twice, "stands twice")):
        if wrong.height:
            raise LogError(f"regions {path}: {wrong['region'][0]!r} {fault}")
    return {region: (lat, lng) for region, lat, lng in rows.iter_rows()}


def read_region_holidays(path: Path) -> dict[str, str]:
    """Return the country, or part of one, whose holidays each region keeps, by column `holidays`.

    It is empty without that column; regions that have nothing in it are left out.

    Raises
    ------
    LogError
        When the table cannot be read.
    """
    frame = open_table(path)
    plain = _plain_names(frame)
    region = next((plain[word] for word in WORDS["region"] if word in plain), None)
    if region is None or "holidays" not in plain:
        return {}
    try:
        rows = frame.select(pl.col(region, plain["holidays"]).cast(pl.String)).drop_nulls()
        return {name: code for name, code in rows.collect().iter_rows() if code}
    except pl.exceptions.PolarsError as error:
        raise LogError(f"regions {path} cannot be read: {why(error)}") from error


def _plain_names(frame: pl.LazyFrame) -> dict[str, str]:
    """Return the names of columns by how they are written plainly."""
    return {name.strip().lower(): name for name in frame.collect_schema()}
