"""Published logs: no record is lost, and every slab is what a batch recount of the table gives."""

from __future__ import annotations

import tomllib
from pathlib import Path
from runpy import run_path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tidecast.state.cells import OVERFLOW
from tidecast.state.cuts import PartitionList
from tidecast.state.settings import Settings, parse_settings
from tidecast.state.slab_fold import SlabFold, SlabRules
from tidecast.state.slabs import Slab
from tidecast.streams.logs import parse_log_specs
from tidecast.streams.replay import Counts, Replay

pytestmark = pytest.mark.real_data

CHECKOUT = Path(__file__).parents[2]
DATA = CHECKOUT.parent / "shared" / "data"
EXAMPLES = CHECKOUT / "docs" / "examples"
RETAIL = DATA / "uci_online_retail" / "online_retail.parquet"
TAOBAO = DATA / "taobao_userbehavior" / "taobao_stream_2h.parquet"
Ingested = tuple[Counts, list[Slab], pl.DataFrame]
KEYS = ("bin", "region", "category", "series")


@pytest.fixture(scope="module", autouse=True)
def _data() -> None:
    if not DATA.is_dir():
        pytest.skip("needs the public data sets in ../shared/data")


def example(name: str, source: dict[str, Any] | None = None, **tables: Any) -> Settings:
    """Return the settings of an example, with changes to its first source and whole tables."""
    found = tomllib.loads((EXAMPLES / f"{name}.toml").read_text(encoding="utf-8")) | tables
    found["sources"][0] |= source or {}
    return parse_settings(found, folder=EXAMPLES)


def ingest(settings: Settings, *logs: Path, partitions: int = 1) -> Ingested:
    """Return the counts, the final slab of each bin, and what they hold as `recounted` does."""
    replay = Replay(settings, parse_log_specs([str(log) for log in logs], settings), partitions)
    fold = SlabFold(SlabRules.of(settings))
    listed = [(source.name, n) for source in settings.sources for n in range(partitions)]
    final = {slab.bin: slab for slab in fold.step(PartitionList(tuple(sorted(listed))))}
    for cut in replay.cuts():
        final.update({slab.bin: slab for slab in fold.step(cut)})
    assert fold.beyond_reach == 0
    slabs = list(final.values())
    return replay.counts, slabs, _long(settings, slabs, fold)


def _long(settings: Settings, slabs: list[Slab], fold: SlabFold) -> pl.DataFrame:
    parts = []
    for slab in slabs:
        cells, series = np.nonzero(np.nan_to_num(slab.values))
        parts.append(
            pl.DataFrame(
                {
                    "start": np.full(len(cells), fold.rules.grid.start(slab.bin)),
                    "region": [fold.cells.cells[cell].region for cell in cells],
                    "category": [fold.cells.cells[cell].category for cell in cells],
                    "series": [settings.series[place].name for place in series],
                    "value": slab.values[cells, series],
                },
                schema_overrides=dict.fromkeys(KEYS[1:], pl.String),
            )
        )
    start = pl.from_epoch("start", "us").dt.replace_time_zone("UTC")
    if settings.bins.width == "day":
        start = start.dt.convert_time_zone(settings.shop.time_zone).dt.date()
    return pl.concat(parts).select(start.alias("bin"), *KEYS[1:], "value").sort(KEYS)


def recounted(sums: pl.DataFrame) -> pl.DataFrame:
    """Return sums of (bin, region, category) with a column a series as (KEYS, value) rows."""
    long = sums.unpivot(index=KEYS[:3], variable_name="series", value_name="value")
    return (
        long.filter(pl.col("value").fill_null(0) != 0)
        .with_columns(pl.col("value").cast(pl.Float64))
        .select(*KEYS, "value")
        .sort(KEYS)
    )


def assert_same(found: pl.DataFrame, recount: pl.DataFrame) -> None:
    assert found.height == recount.height
    assert found.equals(recount), found.join(recount, on=[*KEYS, "value"], how="anti").head(10)


def retail(bins: pl.Expr, region: pl.Expr) -> pl.DataFrame:
    units = pl.col("Quantity")
    sums = (
        pl.read_parquet(RETAIL)
        .group_by(bins.alias("bin"), region.alias("region"), category=pl.lit("all"))
        .agg(
            demand=units.filter(units > 0).sum(),
            lines=(units > 0).sum(),
            cancelled=-units.filter(units < 0).sum(),
        )
    )
    return recounted(sums)


@pytest.mark.parametrize("partitions", [1, 4])
def test_daily_slabs_of_online_retail_are_the_recount_of_each_country(partitions: int) -> None:
    settings = example("online_retail_daily")
    counts, slabs, found = ingest(settings, RETAIL, partitions=partitions)
    table = pl.read_parquet(RETAIL)
    assert counts == Counts(table.height, table.height, 0, 0)
    assert sum(slab.events for slab in slabs) == table.height
    assert_same(found, retail(pl.col("InvoiceDate").dt.date(), pl.col("Country")))


@pytest.fixture(scope="module")
def hourly() -> Ingested:
    return ingest(example("online_retail_hourly"), RETAIL)


def test_hourly_slabs_of_online_retail_are_the_recount_of_the_total(hourly: Ingested) -> None:
    counts, _, found = hourly
    assert counts.accepted == counts.events == pl.read_parquet(RETAIL).height
    hour = pl.col("InvoiceDate").dt.replace_time_zone("Europe/London").dt.convert_time_zone("UTC")
    assert_same(found, retail(hour.dt.truncate("1h"), pl.lit("all")))


def test_the_christmas_pause_longer_than_max_gap_passes_as_one_step(hourly: Ingested) -> None:
    settings = example("online_retail_hourly")
    grid = SlabRules.of(settings).grid
    times = pl.read_parquet(RETAIL)["InvoiceDate"].unique().sort()
    pause = times.diff().dt.total_microseconds().max()
    assert pause > settings.sources[0].max_gap
    local = [grid.local(slab.bin).replace(tzinfo=None) for slab in hourly[1]]
    asleep = [moment for moment in local if moment.isoformat() > "2010-12-23T18"][:25]
    assert len([moment for moment in asleep if moment.year == 2010]) == 24  # the horizon
    assert asleep[24].isoformat() == "2011-01-04T10:00:00"


def test_negative_quantities_are_refused_where_the_settings_say_so() -> None:
    settings = example("online_retail_daily", {"negative_units": "refuse"})
    counts, _, found = ingest(settings, RETAIL)
    negative = pl.read_parquet(RETAIL).filter(pl.col("Quantity") < 0).height
    assert counts.reasons == {"out_of_range": negative}
    assert counts.accepted + counts.refused == counts.events
    positive = retail(pl.col("InvoiceDate").dt.date(), pl.col("Country"))
    assert_same(found, positive.filter(pl.col("series") != "cancelled"))


@pytest.fixture(scope="module")
def olist(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    logs = tmp_path_factory.mktemp("olist")
    run_path(str(EXAMPLES / "olist.py"))["write_logs"](DATA / "olist_partial", logs)
    return logs / "orders.parquet", logs / "logistics.parquet"


def olist_orders() -> pl.DataFrame:
    orders = pl.read_parquet(DATA / "olist_partial" / "orders.parquet")
    return orders.filter(~pl.col("stratified_source_only")).with_columns(
        region=pl.col("customer_state").fill_null("unknown")
    )


def olist_demand() -> pl.DataFrame:
    items = pl.read_parquet(DATA / "olist_partial" / "order_items.parquet")
    products = pl.read_parquet(DATA / "olist_partial" / "products.parquet")
    category = pl.col("product_category_name_english").fill_null("unknown")
    lines = items.join(olist_orders(), on="order_id").join(products, on="product_id", how="left")
    bins = pl.col("order_purchase_timestamp").dt.date().alias("bin")
    cents = (pl.col("price") * 100).round().cast(pl.Int64).sum()
    sums = lines.group_by(bins, "region", category=category).agg(demand=pl.len(), revenue=cents)
    return recounted(sums.with_columns(pl.Series("revenue", sums["revenue"].to_numpy() / 100)))


def olist_parcels(step: str) -> pl.DataFrame:
    """Return the parcels that took a step, and the thousandths of an hour since the purchase."""
    seconds = (pl.col(step) - pl.col("order_purchase_timestamp")).dt.total_seconds()
    return (
        olist_orders()
        .filter(pl.col(step).is_not_null())
        .select(
            "region", bin=pl.col(step).dt.date(), hours=seconds / 3600, category=pl.lit("parcels")
        )
    )


def test_daily_slabs_of_olist_are_the_recount_of_orders_and_parcels(
    olist: tuple[Path, Path],
) -> None:
    counts, _, found = ingest(example("olist"), *olist)
    shipped = olist_parcels("order_delivered_carrier_date")
    delivered = olist_parcels("order_delivered_customer_date")
    impossible = shipped.filter(pl.col("hours") < 0).height  # given away before the purchase
    items = int(olist_demand().filter(pl.col("series") == "demand")["value"].sum())
    assert counts.events == items + shipped.height + delivered.height
    assert counts.accepted + counts.late + counts.refused == counts.events
    assert counts.reasons == {"out_of_range": impossible}
    parcels = shipped.filter(pl.col("hours") >= 0).group_by(KEYS[:3]).agg(shipped=pl.len())
    thousandths = pl.col("hours").round(3).mul(1000).round().cast(pl.Int64)
    hours = delivered.group_by(KEYS[:3]).agg(sum=thousandths.sum(), n=pl.len())
    mean = pl.Series("delivery_hours", hours["sum"].to_numpy() / 1000 / hours["n"].to_numpy())
    hours = hours.select(*KEYS[:3], mean)
    recount = [olist_demand(), recounted(parcels), recounted(hours)]
    assert_same(found, pl.concat(recount).sort(KEYS))


def taobao(events: pl.DataFrame, category: pl.Expr, region: pl.Expr) -> pl.DataFrame:
    words = {"traffic": "pv", "carts": "cart", "favourites": "fav", "purchases": "buy"}
    minute = pl.col("event_time").dt.replace_time_zone("UTC").dt.truncate("1m").alias("bin")
    return recounted(
        events.group_by(minute, region=region, category=category).agg(
            **{name: (pl.col("behavior") == word).sum() for name, word in words.items()}
        )
    )


def test_minute_slabs_of_taobao_are_the_recount_with_one_cell_for_those_that_overflow() -> None:
    settings = example("taobao_clicks")
    counts, _, found = ingest(settings, TAOBAO)
    events = pl.read_parquet(TAOBAO)
    assert counts == Counts(events.height, events.height, 0, 0)
    category = pl.col("category_id").cast(pl.String)
    firsts = events.group_by(name=category).agg(pl.col("event_time").dt.truncate("1m").min())
    seats = firsts.sort("event_time", "name")["name"].head(settings.limits.max_cells)
    seated = category.is_in(seats.implode())
    name = pl.when(seated).then(category).otherwise(pl.lit(OVERFLOW.category))
    region = pl.when(seated).then(pl.lit("all")).otherwise(pl.lit(OVERFLOW.region))
    assert_same(found, taobao(events, name, region))
    assert found["region"].n_unique() == 2


def test_clicks_that_arrive_out_of_order_correct_their_bins_or_are_late(tmp_path: Path) -> None:
    settings = example("taobao_clicks", {"allowed_lateness": "1m"}, limits={"max_cells": 10_000})
    events = pl.read_parquet(TAOBAO)
    seconds = np.random.default_rng(7).exponential(1, events.height) ** 3  # 1 in 100 over a minute
    arrived = events.with_columns(
        arrival=pl.col("event_time") + pl.Series(seconds * 1e6).cast(pl.Int64).cast(pl.Duration)
    ).sort("arrival", maintain_order=True)
    arrived.write_parquet(log := tmp_path / "clicks.parquet")
    counts, slabs, found = ingest(settings, log)

    reached = pl.col("event_time").cum_max().shift(1) - pl.duration(seconds=5)
    closed = pl.col("event_time").dt.truncate("1m") + pl.duration(minutes=1 + 1)
    late = arrived.select((closed <= reached).fill_null(False)).to_series()
    assert 0 < late.sum() == counts.late < 2_000
    assert counts.accepted == arrived.height - counts.late
    assert any(slab.revision for slab in slabs)
    category = pl.col("category_id").cast(pl.String)
    assert_same(found, taobao(arrived.filter(~late), category, pl.lit("all")))
