"""Long tables as slabs."""

from __future__ import annotations

import gzip
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tidecast.state.bins import HOUR, BinGrid
from tidecast.state.cells import Cell
from tidecast.state.errors import LogError
from tidecast.streams.backtest.columns import find_columns
from tidecast.streams.backtest.files import open_table
from tidecast.streams.backtest.table import Table, read_table

START = datetime(2024, 3, 1, 10)  # noqa: DTZ001
FIRST_BIN = 474_802
NAN = float("nan")
Row = tuple[float, str, float | None]


def frame(rows: list[Row]) -> pl.DataFrame:
    return pl.DataFrame(
        [(START + timedelta(hours=hours), region, value) for hours, region, value in rows],
        schema={"time": pl.Datetime("us"), "region": pl.String, "value": pl.Float64},
        orient="row",
    )


def table(rows: list[Row], **options: Any) -> Table:
    found = frame(rows).lazy()
    columns = find_columns(found.collect_schema())
    return read_table(found, columns, BinGrid(HOUR), **options)


def values(found: Table) -> list[list[float]]:
    return [slab.values[:, 0].tolist() for slab, _ in found.slabs()]


def test_a_bin_is_a_slab_and_cells_join_with_their_first_value() -> None:
    found = table([(2, "c", 5.0), (0, "b", 1.0), (1, "b", 2.0), (1, "a", NAN), (2, "a", 4.0)])
    assert found.first_bin == FIRST_BIN
    assert found.cells == (Cell("b", "(all)"), Cell("a", "(all)"), Cell("c", "(all)"))
    assert values(found) == [[1.0], [2.0], [pytest.approx(NAN, nan_ok=True), 4.0, 5.0]]
    assert [len(cells) for _, cells in found.slabs()] == [1, 1, 3]


def test_rows_that_are_marked_are_censored_for_all_series() -> None:
    rows = frame([(0, "a", 1.0), (0, "b", 2.0), (1, "a", 3.0), (1, "b", 4.0), (1.5, "b", 1.0)])
    marked = rows.with_columns(pl.Series("sold_out", [0, 0, None, 1, 0])).lazy()
    columns = find_columns(marked.collect_schema())
    first, second = (slab for slab, _ in read_table(marked, columns, BinGrid(HOUR)).slabs())
    assert first.censored is None
    assert second.censored is not None
    assert second.censored.tolist() == [[False], [True]]
    np.testing.assert_array_equal(second.demand, [[3.0], [NAN]])


def weighted(rows: list[Row], counts: list[float | None]) -> Table:
    marked = frame(rows).with_columns(pl.Series("weight", counts, pl.Float64)).lazy()
    columns = find_columns(marked.collect_schema(), of_means=True)
    return read_table(marked, columns, BinGrid(HOUR), aggregate="mean")


def test_slabs_know_how_much_their_means_are_of() -> None:
    found = weighted([(0, "a", 4.0), (0, "b", 2.0), (1, "b", 3.0)], [3.0, 1.0, 2.0])
    first, second = (slab for slab, _ in found.slabs())
    assert first.counts is not None
    assert second.counts is not None
    assert first.counts.tolist() == [[3.0], [1.0]]
    assert second.counts.tolist() == [[0.0], [2.0]]
    np.testing.assert_array_equal(second.values, [[NAN], [3.0]])


def test_means_of_one_bin_and_cell_are_weighted_by_what_they_are_of() -> None:
    rows: list[Row] = [(0, "a", 4.0), (0.5, "a", 1.0), (0.7, "a", None), (0.9, "a", 9.0)]
    found = weighted(rows, [1.0, 3.0, 5.0, None])
    assert values(found) == [[1.75]]
    ((slab, _),) = found.slabs()
    assert slab.counts is not None


def test_other_weights_make_another_table() -> None:
    rows: list[Row] = [(0, "a", 4.0), (1, "a", 1.0)]
    prints = {weighted(rows, [n, 1.0]).fingerprint() for n in (1.0, 2.0)}
    assert len(prints | {table(rows, aggregate="mean").fingerprint()}) == 3


def test_slabs_may_begin_later() -> None:
    found = table([(n, region, float(n)) for n in range(6) for region in "ab"])
    later = list(found.slabs(FIRST_BIN + 4))
    assert [slab.bin for slab, _ in later] == [FIRST_BIN + 4, FIRST_BIN + 5]
    assert later[0][0].values[:, 0].tolist() == [4.0, 4.0]


def test_rows_of_one_bin_and_cell_are_added_up() -> None:
    rows: list[Row] = [(0, "a", 1.0), (0.5, "a", 2.0), (0.9, "a", None), (1, "a", 4.0)]
    assert values(table(rows)) == [[3.0], [4.0]]
    assert values(table(rows, aggregate="mean")) == [[1.5], [4.0]]
    assert values(table(rows, aggregate="count")) == [[2.0], [1.0]]


def test_rows_that_are_not_there_are_zero_in_a_table_of_events() -> None:
    rows: list[Row] = [(n, "a", 2.0) for n in range(0, 20, 3)] + [(19, "b", 1.0)]
    found = table(rows)
    assert found.absent == 0.0
    assert values(found)[:4] == [[2.0], [0.0], [0.0], [2.0]]
    assert np.isnan(table(rows, absent="missing").absent)


@pytest.mark.parametrize("extra", [(1, "a", 0.0), (1, "a", NAN)])
def test_rows_that_are_not_there_are_missing_where_others_say_zero_or_missing(extra: Row) -> None:
    found = table([(n, "a", 2.0) for n in range(0, 20, 3)] + [extra])
    assert np.isnan(found.absent)


def test_a_few_absent_rows_are_missing() -> None:
    assert np.isnan(table([(n, "a", 2.0) for n in range(20) if n != 7]).absent)


def test_bins_that_nobody_recorded_are_missing_where_all_others_are_complete() -> None:
    rows: list[Row] = [(n, region, 2.0) for n in range(0, 20, 2) for region in "abc"]
    assert np.isnan(table(rows).absent)
    assert np.isnan(table([*rows, (20, "d", 1.0)]).absent)
    assert table([row for n, row in enumerate(rows) if n % 4]).absent == 0.0


def test_bins_without_any_row_are_there_too() -> None:
    found = table([(0, "a", 1.0), (3, "a", 0.0)])
    assert found.n_bins == 4
    assert np.isnan(values(found)[1:3]).all()


def test_a_value_may_have_any_name() -> None:
    for name in ("bin", "born", "category"):
        found = frame([(0, "a", 1.0), (1, "a", 0.0)]).rename({"value": name}).lazy()
        columns = find_columns(found.collect_schema(), values=[name])
        read = read_table(found, columns, BinGrid(HOUR))
        assert (read.series, values(read)) == ((name,), [[1.0], [0.0]])


def test_infinite_values_are_missing() -> None:
    assert np.isnan(values(table([(0, "a", 1.0), (1, "a", float("inf")), (2, "a", 0.0)]))[1][0])


def test_the_same_table_has_the_same_fingerprint() -> None:
    rows: list[Row] = [(0, "a", 1.0), (1, "a", 2.0), (0, "b", 3.0)]
    assert table(rows).fingerprint() == table(rows[::-1]).fingerprint()
    assert table(rows).fingerprint() != table([*rows[:2], (0, "b", 3.5)]).fingerprint()


@pytest.mark.parametrize("name", ["t.parquet", "t.csv", "t.csv.gz"])
def test_parquet_and_csv_read_alike(name: str, tmp_path: Path) -> None:
    rows: list[Row] = [(n, region, float(n)) for n in range(5) for region in "ab"]
    path = tmp_path / name
    if name == "t.parquet":
        frame(rows).write_parquet(path)
    else:
        text = frame(rows).write_csv().encode()
        path.write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    lazy = open_table(path)
    found = read_table(lazy, find_columns(lazy.collect_schema()), BinGrid(HOUR))
    assert found.fingerprint() == table(rows).fingerprint()


def test_the_first_decimal_of_a_csv_may_come_late(tmp_path: Path) -> None:
    rows: list[Row] = [(n, "a", n if n < 299 else 0.5) for n in range(300)]
    lines = [f"{START + timedelta(hours=hours)},{cell},{value}" for hours, cell, value in rows]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["time,region,value", *lines]))
    lazy = open_table(path)
    found = read_table(lazy, find_columns(lazy.collect_schema()), BinGrid(HOUR))
    assert found.fingerprint() == table(rows).fingerprint()


def test_a_table_without_values_is_refused() -> None:
    with pytest.raises(LogError, match="no row with a time and a number in value"):
        table([(0, "a", None)])
    with pytest.raises(LogError, match="no row with a time"):
        table([])


def test_rows_that_stand_for_no_value_of_their_own_are_counted() -> None:
    rows = frame([(0, "a", 1.0), (0.5, "a", 2.0), (1, "a", 3.0), (2, "a", 4.0)])
    late = pl.when(pl.col("value") < 4).then("time")
    found = rows.with_columns(late.alias("time")).lazy()
    told = read_table(found, find_columns(found.collect_schema()), BinGrid(HOUR))
    assert (told.n_timeless, told.n_merged) == (1, 1)
    assert values(told) == [[3.0], [3.0]]


def test_times_that_clocks_skip_are_left_out_and_counted() -> None:
    night = pl.datetime_range(datetime(2025, 3, 30), datetime(2025, 3, 30, 4), "1h", eager=True)  # noqa: DTZ001
    found = pl.DataFrame({"time": night, "value": [1.0, 2.0, 3.0, 4.0, 5.0]}).lazy()
    zone = BinGrid(HOUR, "Europe/Madrid")
    told = read_table(found, find_columns(found.collect_schema()), zone)
    assert told.n_timeless == 1
    assert values(told) == [[1.0], [2.0], [4.0], [5.0]]


def test_rows_without_a_region_are_a_cell_of_their_own_beside_the_sums() -> None:
    rows = frame([(0, "a", 1.0), (0, "", 2.0), (0, "b", 3.0)])
    empty = rows.with_columns(pl.when(pl.col("region") != "b").then("region").alias("region"))
    told = read_table(empty.lazy(), find_columns(empty.schema), BinGrid(HOUR))
    assert told.cells == (Cell("(none)", "(all)"), Cell("a", "(all)"))
    assert values(told) == [[5.0, 1.0]]


def test_a_region_that_is_called_as_sums_are_is_refused() -> None:
    with pytest.raises(LogError, match=r"column 'region' holds \(all\), which is what sums"):
        table([(0, "a", 1.0), (1, "(all)", 2.0)])
