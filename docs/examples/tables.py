"""Turn published data into long tables for ``tidecast backtest``: ``tables.py DATA TABLES``.

What is not found under DATA is left out.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl

RETAIL = "uci_online_retail/online_retail.parquet"
OLIST = "olist_partial/orders.parquet"
DIDI = "didi_chengdu/didi_chengdu.npz"
PEDESTRIANS = "pedestrian_melbourne/pedestrian_melbourne.npz"
PEMS = "pems08/pems08_flow.npz"
KINGDOM = pl.col("region") == "United Kingdom"


def retail_tables(data: Path) -> dict[str, pl.DataFrame]:
    """Return invoices and cancellations, a row each at its first line's time, and parts of them."""
    invoices = (
        pl.read_parquet(data / RETAIL, columns=["InvoiceNo", "InvoiceDate", "Country"])
        .group_by("InvoiceNo")
        .agg(time=pl.col("InvoiceDate").min(), region=pl.col("Country").first())
        .sort("time", "InvoiceNo")
    )
    is_cancelled = pl.col("InvoiceNo").str.starts_with("C")
    orders, cancelled = (
        invoices.filter(chosen).select("time", "region", value=pl.lit(1))
        for chosen in (~is_cancelled, is_cancelled)
    )
    return {
        "retail": orders,
        "retail_uk": orders.filter(KINGDOM),
        "retail_rest": orders.filter(~KINGDOM),
        "retail_total": orders.drop("region"),
        "retail_cancelled": cancelled,
    }


def olist_tables(data: Path) -> dict[str, pl.DataFrame]:
    """Return orders by time of purchase, and hours to the door by time of delivery, per state."""
    bought, delivered = "order_purchase_timestamp", "order_delivered_customer_date"
    orders = (
        pl.read_parquet(data / OLIST)
        .filter(~pl.col("stratified_source_only"), pl.col("customer_state").is_not_null())
        .sort(bought)
        .rename({"customer_state": "region"})
    )
    hours = (pl.col(delivered) - pl.col(bought)).dt.total_seconds() / 3600
    return {
        "olist": orders.select("region", time=bought, value=pl.lit(1)),
        "olist_hours": orders.filter(pl.col(delivered).is_not_null()).select(
            "region", time=delivered, value=hours
        ),
    }


def didi_tables(data: Path) -> dict[str, pl.DataFrame]:
    """Return demand by hour, of the cells that the published protocol keeps, and their places."""
    array = np.load(data / DIDI)
    values, places = array["x"].astype(np.float64), _places(data / DIDI)
    kept = values[: int(len(values) * 0.9)].mean(axis=0) * 24 > 1
    regions = places["region"].filter(kept).to_list()
    table = _long(values[:, kept], str(array["start"]), 60, regions)
    return {"didi": table, "didi_places": places}


def pedestrian_tables(data: Path) -> dict[str, pl.DataFrame]:
    """Return counts by hour, -1 = missing, and the places of the sensors."""
    array, places = np.load(data / PEDESTRIANS), _places(data / PEDESTRIANS)
    values = np.where(array["x"] < 0, np.nan, array["x"])
    table = _long(values, str(array["start"]), 60, places["region"].to_list())
    late = _last_weeks(table, 26)
    return {"pedestrians": table, "pedestrians_26_weeks": late, "pedestrians_places": places}


def pems_tables(data: Path) -> dict[str, pl.DataFrame]:
    """Return flow by five minutes; zeros are missing, as in the published protocol."""
    array = np.load(data / PEMS)
    flow = np.where(array["flow"] == 0, np.nan, array["flow"])
    regions = [f"sensor {number}" for number in range(flow.shape[1])]
    table = _long(flow, str(array["start"]), 5, regions)
    return {"pems08": table, "pems08_4_weeks": _last_weeks(table, 4)}


SETS = {
    RETAIL: retail_tables,
    OLIST: olist_tables,
    DIDI: didi_tables,
    PEDESTRIANS: pedestrian_tables,
    PEMS: pems_tables,
}
"""What makes the tables of a published file."""


def _places(array: Path) -> pl.DataFrame:
    stations = pl.read_csv(array.parent / "stations.csv")
    return stations.select(region=pl.col("name").cast(pl.String), lat="lat", lng="lng")


def _long(values: np.ndarray, start: str, minutes: int, regions: list[str]) -> pl.DataFrame:
    """Return ``values``, (bin, region), as rows."""
    times = np.datetime64(start, "us") + np.arange(len(values)) * np.timedelta64(minutes, "m")
    return pl.DataFrame(
        {
            "time": np.repeat(times, len(regions)),
            "region": regions * len(values),
            "value": values.ravel(),
        }
    )


def _last_weeks(table: pl.DataFrame, weeks: int) -> pl.DataFrame:
    """Return the rows of the last weeks of whole days."""
    end = pl.col("time").max().dt.truncate("1d").dt.offset_by("1d")
    return table.filter(pl.col("time") >= end - pl.duration(weeks=weeks))


def write_tables(data: Path, tables: Path) -> None:
    """Write a Parquet file for each table; places are those that ``--regions`` takes."""
    tables.mkdir(parents=True, exist_ok=True)
    for published, make in SETS.items():
        if not (data / published).is_file():
            continue
        for name, table in make(data).items():
            table.write_parquet(tables / f"{name}.parquet")


if __name__ == "__main__":
    write_tables(Path(sys.argv[1]), Path(sys.argv[2]))
