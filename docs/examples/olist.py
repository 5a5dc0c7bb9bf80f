"""Turn the published tables of Olist into two event logs: ``olist.py TABLES LOGS``."""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

PURCHASE = "order_purchase_timestamp"
STEPS = {
    "shipped": "order_delivered_carrier_date",
    "delivered": "order_delivered_customer_date",
}


def order_events(orders: pl.LazyFrame, items: pl.LazyFrame, products: pl.LazyFrame) -> pl.LazyFrame:
    """Return an event for each item ordered."""
    return (
        items.join(orders, on="order_id")
        .join(products, on="product_id", how="left")
        .select(
            event_time=PURCHASE,
            region="customer_state",
            category="product_category_name_english",
            kind=pl.lit("order"),
            units=pl.lit(1),
            amount="price",
        )
    )


def logistics_events(orders: pl.LazyFrame) -> pl.LazyFrame:
    """Return an event for each parcel given to the carrier, and to the customer."""
    return pl.concat(
        orders.filter(pl.col(step).is_not_null()).select(
            event_time=step,
            region="customer_state",
            kind=pl.lit(kind),
            hours=((pl.col(step) - pl.col(PURCHASE)).dt.total_seconds() / 3600).round(3),
        )
        for kind, step in STEPS.items()
    )


def write_logs(tables: Path, logs: Path) -> None:
    """Write ``orders.parquet`` and ``logistics.parquet``, in order of time."""
    orders, items, products = (
        pl.scan_parquet(tables / f"{name}.parquet")
        for name in ("orders", "order_items", "products")
    )
    orders = orders.filter(~pl.col("stratified_source_only"))  # no random sample
    logs.mkdir(parents=True, exist_ok=True)
    for name, events in (
        ("orders", order_events(orders, items, products)),
        ("logistics", logistics_events(orders)),
    ):
        in_order = events.sort("event_time", "region", "kind", maintain_order=True).collect()
        in_order.write_parquet(logs / f"{name}.parquet")


if __name__ == "__main__":
    write_logs(Path(sys.argv[1]), Path(sys.argv[2]))
