"""The simulated shop keeps its word: exact counts, a truth that matches, the same bytes."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import polars as pl
import pytest

from tidecast.state.errors import SettingsError
from tidecast.state.settings import load_settings
from tidecast.tools.simulate import SimulatedShop, simulate

DAYS = 8
EVENTS = 40_000


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> SimulatedShop:
    return simulate(tmp_path_factory.mktemp("shop"), seed=7, days=DAYS, events=EVENTS)


@pytest.fixture(scope="module")
def truth(shop: SimulatedShop) -> pl.DataFrame:
    return pl.read_parquet(shop.truth)


def good_records(shop: SimulatedShop, source: str) -> list[dict[str, Any]]:
    """Return the records a careful reader accepts, in order of arrival."""
    records = []
    for line in shop.logs[source].read_bytes().splitlines():
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        number = next(name for name in ("value", "hours", "units") if name in record)
        if (
            {"region", "event_time"} <= record.keys()
            and isinstance(record["category"], str)
            and isinstance(record[number], int | float)
            and record[number] >= 0
            and record["kind"] != "wishlist"
            and record["event_time"][:4] == "2025"
        ):
            records.append(record)
    return records


def late_records(records: list[dict[str, Any]], disorder: int, lateness: int) -> int:
    """Count what comes after its hour's end + lateness, record by record, in seconds."""
    high = float("-inf")
    late = 0
    for record in records:
        time = datetime.fromisoformat(record["event_time"]).timestamp()
        late += (time // 3600 + 1) * 3600 + lateness <= high - disorder
        high = max(high, time)
    return late


def sums(records: list[dict[str, Any]], kind: str, number: str | None) -> Counter[tuple[str, ...]]:
    total: Counter[tuple[str, ...]] = Counter()
    for record in records:
        if record["kind"] == kind:
            hour = record["event_time"][:13]
            addend = 1 if number is None else record[number]
            total[hour, record["region"], record["category"]] += addend
    return total


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path, shop: SimulatedShop) -> None:
    again = simulate(tmp_path, seed=7, days=DAYS, events=EVENTS)
    for path in sorted(shop.folder.iterdir()):
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name
    assert again.counts == shop.counts


def test_another_seed_writes_another_shop(tmp_path: Path, shop: SimulatedShop) -> None:
    other = simulate(tmp_path, seed=8, days=DAYS, events=EVENTS)
    assert other.logs["orders"].read_bytes() != shop.logs["orders"].read_bytes()


def test_every_line_is_accepted_late_or_refused(shop: SimulatedShop) -> None:
    for source, counts in shop.counts.items():
        lines = shop.logs[source].read_bytes().splitlines()
        assert counts.lines == len(lines) == counts.accepted + counts.late + counts.refused
        assert counts.refused == sum(counts.malformed.values())
        assert min(counts.malformed.values()) > 0


@pytest.mark.parametrize("source", ["clicks", "orders", "logistics"])
def test_counts_are_what_a_careful_reader_finds(shop: SimulatedShop, source: str) -> None:
    counts = shop.counts[source]
    records = good_records(shop, source)
    assert len(records) == counts.accepted + counts.late
    repeats = Counter(record["event_id"] for record in records)
    assert sum(repeats.values()) - len(repeats) == counts.duplicates > 0
    settings = load_settings(shop.settings, {})
    rules = next(s for s in settings.sources if s.name == source)
    disorder, lateness = rules.max_disorder / 1e6, rules.allowed_lateness / 1e6
    assert late_records(records, disorder, lateness) == counts.late > 0


def test_records_from_2099_stand_far_from_each_other_and_from_the_ends(
    shop: SimulatedShop,
) -> None:
    for path in shop.logs.values():
        lines = path.read_bytes().splitlines()
        places = [n for n, line in enumerate(lines) if b'"2099-' in line]
        assert np.diff([0, *places, len(lines)]).min() > 50


def test_truth_is_every_event_once(shop: SimulatedShop, truth: pl.DataFrame) -> None:
    orders = {r["event_id"]: r for r in good_records(shop, "orders")}
    clicks = {r["event_id"]: r for r in good_records(shop, "clicks")}
    for series, counted in (
        ("demand", sums(list(orders.values()), "order", "units")),
        ("traffic", sums(list(clicks.values()), "view", None)),
    ):
        rows = truth.filter(pl.col("series") == series, pl.col("value") > 0)
        assert counted == {
            (f"{row['bin_start']:%Y-%m-%dT%H}", row["region"], row["category"]): row["value"]
            for row in rows.iter_rows(named=True)
        }


def test_truth_has_a_row_for_each_series_hour_and_cell(truth: pl.DataFrame) -> None:
    assert truth.height == 3 * DAYS * 24 * 12 * 8
    assert truth["bin_start"].min() == datetime(2025, 3, 2, 23, tzinfo=UTC)


def test_received_has_repeats_twice_and_lacks_what_came_too_late(
    shop: SimulatedShop, truth: pl.DataFrame
) -> None:
    views = truth.filter(pl.col("series") == "traffic")
    records = [r for r in good_records(shop, "clicks") if r["kind"] == "view"]
    events = len({r["event_id"] for r in records})
    assert views["value"].sum() == events
    assert events < views["received"].sum() < len(records)
    assert (views["received"] < views["value"]).any()


def test_values_scatter_around_the_expected(truth: pl.DataFrame) -> None:
    for series in ("demand", "traffic"):
        rows = truth.filter(pl.col("series") == series)
        hours = rows.group_by("bin_start").agg(pl.col("value", "expected").sum())
        assert hours["value"].sum() == pytest.approx(hours["expected"].sum(), rel=0.05)
        assert np.corrcoef(hours["value"], hours["expected"])[0, 1] > 0.9


def test_a_flash_sale_a_stock_out_and_an_opening_show_in_the_truth(
    shop: SimulatedShop, truth: pl.DataFrame
) -> None:
    by_kind = {h.kind: h for h in shop.happenings}

    def mean(series: str, column: str, name: str, kind: str, inside: bool = True) -> float:
        happening = by_kind[kind]
        during = (
            pl.col("bin_start")
            .dt.epoch("us")
            .is_between(happening.start, happening.end, closed="left")
        )
        rows = truth.filter(pl.col("series") == series, pl.col(column) == name)
        if kind == "stock_out":
            rows = rows.filter(pl.col("region") == happening.region)
        return float(rows.filter(during == inside)["value"].to_numpy().mean())

    sale = mean("traffic", "category", "electronics", "flash_sale")
    assert sale > 5 * mean("traffic", "category", "electronics", "flash_sale", inside=False)
    assert mean("demand", "category", "groceries", "stock_out") == 0.0
    assert mean("traffic", "category", "groceries", "stock_out") > 0.0
    assert mean("traffic", "region", "Cagliari", "opening", inside=False) == 0.0
    assert mean("traffic", "region", "Cagliari", "opening") > 0.0


def test_orders_follow_clicks_and_deliveries_follow_orders(shop: SimulatedShop) -> None:
    ordered = {
        r["order_id"]: r["event_time"] for r in good_records(shop, "orders") if r["kind"] == "order"
    }
    delivered = [r for r in good_records(shop, "logistics") if r["kind"] == "delivered"]
    assert len(delivered) > 1000
    assert all(r["event_time"] > ordered[r["order_id"]] for r in delivered)
    first_purchase = min(
        r["event_time"] for r in good_records(shop, "clicks") if r["kind"] == "purchase"
    )
    assert first_purchase < min(ordered.values())


def test_too_few_days_or_events_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="3 days and 40000 events are too few"):
        simulate(tmp_path, days=3, events=40_000)
    with pytest.raises(SettingsError, match="simulate at least 4 days and 2000 events"):
        simulate(tmp_path, days=4, events=10)


def test_the_smallest_shop_can_be_written(tmp_path: Path) -> None:
    shop = simulate(tmp_path, seed=0, days=4, events=2_000)
    assert 1_000 < shop.lines < 4_000


def test_files_of_others_are_not_written_over(tmp_path: Path) -> None:
    mine = tmp_path / "orders.ndjson"
    mine.write_text("mine")
    with pytest.raises(SettingsError, match="holds files of others"):
        simulate(tmp_path, seed=0, days=4, events=2_000)
    assert [file.read_text() for file in tmp_path.iterdir()] == ["mine"]


def test_a_simulated_shop_may_be_simulated_again(tmp_path: Path) -> None:
    first = simulate(tmp_path, seed=0, days=4, events=2_000)
    assert simulate(tmp_path, seed=0, days=4, events=2_000).counts == first.counts
