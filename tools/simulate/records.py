"""From columns of events to the lines of a log."""

from __future__ import annotations

import io

import polars as pl

from tidecast.tools.simulate.shop import CATEGORIES, REGIONS

__all__ = ["record_lines"]

FIELDS = {
    "clicks": ("value", "user_id", "item_id"),
    "orders": ("units", "amount", "order_id", "user_id", "item_id"),
    "logistics": ("hours", "units", "order_id"),
}


def record_lines(source: str, events: pl.DataFrame) -> list[bytes]:
    """Return one JSON record for each row of ``events``, as a shop would write them."""
    names = pl.col("region").replace_strict(
        range(len(REGIONS)), [region.name for region in REGIONS], return_dtype=pl.String
    )
    kinds = pl.col("category").replace_strict(
        range(len(CATEGORIES)), [category.name for category in CATEGORIES], return_dtype=pl.String
    )
    written = events.with_columns(
        event_time=pl.from_epoch("time", time_unit="us").dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"),
        region=names,
        category=kinds,
        **_ids(events, kinds),
    ).select("event_id", "event_time", "kind", "region", "category", *FIELDS[source])
    buffer = io.BytesIO()
    written.write_ndjson(buffer)
    return buffer.getvalue().splitlines()


def _ids(events: pl.DataFrame, kinds: pl.Expr) -> dict[str, pl.Expr]:
    made = {
        "user_id": ("user", pl.format("u{}", "user")),
        "item_id": ("item", pl.format("{}-{}", kinds, "item")),
        "order_id": ("order", pl.format("o{}", "order")),
    }
    return {name: made_of for name, (column, made_of) in made.items() if column in events.columns}
