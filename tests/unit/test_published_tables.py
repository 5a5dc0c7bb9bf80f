"""Long tables of published data (docs/examples/tables.py) hold what was published."""

from __future__ import annotations

from pathlib import Path
from runpy import run_path

import numpy as np
import polars as pl
import pytest

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
SCRIPT = run_path(str(ROOT / "docs" / "examples" / "tables.py"))


def tables(data: Path, folder: Path) -> dict[str, pl.DataFrame]:
    SCRIPT["write_tables"](data, folder)
    return {path.stem: pl.read_parquet(path) for path in folder.iterdir()}


def test_what_is_not_there_is_left_out(tmp_path: Path) -> None:
    assert tables(tmp_path / "nowhere", tmp_path / "tables") == {}


def test_minus_one_is_missing_and_times_rise_by_the_bin(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "pedestrian_melbourne"
    folder.mkdir(parents=True)
    counts = np.array([[3, -1], [0, 5]], np.int16)
    np.savez(folder / "pedestrian_melbourne.npz", x=counts, start="2022-11-01T00:00:00")
    (folder / "stations.csv").write_text("key,name,lat,lng\n1,north,-37.8,145\n2,south,-37.9,145\n")
    found = tables(tmp_path / "data", tmp_path / "tables")
    rows = [
        (time.isoformat(), region, None if np.isnan(value) else value)
        for time, region, value in found["pedestrians"].rows()
    ]
    assert rows == [
        ("2022-11-01T00:00:00", "north", 3.0),
        ("2022-11-01T00:00:00", "south", None),
        ("2022-11-01T01:00:00", "north", 0.0),
        ("2022-11-01T01:00:00", "south", 5.0),
    ]
    assert found["pedestrians_places"].rows() == [("north", -37.8, 145), ("south", -37.9, 145)]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pl.DataFrame]:
    if not DATA.is_dir():
        pytest.skip("needs the public data sets beside the checkout")
    return tables(DATA, tmp_path_factory.mktemp("tables"))


@pytest.mark.real_data
def test_the_last_value_of_didi_has_the_published_error(published: dict[str, pl.DataFrame]) -> None:
    hours = published["didi"].pivot(on="region", index="time", values="value").drop("time")
    values = hours.to_numpy()
    actual, last = values[-144:], values[-145:-1]
    error = (actual - last)[actual > 0]
    assert np.sqrt((error**2).mean()) == pytest.approx(14.1451, abs=5e-5)


@pytest.mark.real_data
def test_every_invoice_is_one_order_or_one_cancellation(published: dict[str, pl.DataFrame]) -> None:
    lines = pl.read_parquet(DATA / "uci_online_retail" / "online_retail.parquet")
    n = {name: len(published[name]) for name in published if name.startswith("retail")}
    assert n["retail"] + n["retail_cancelled"] == lines["InvoiceNo"].n_unique()
    assert n["retail_uk"] + n["retail_rest"] == n["retail_total"] == n["retail"]


@pytest.mark.real_data
def test_no_order_of_a_random_sample_is_counted(published: dict[str, pl.DataFrame]) -> None:
    orders = pl.read_parquet(DATA / "olist_partial" / "orders.parquet")
    real = orders.filter(~pl.col("stratified_source_only"))
    assert len(published["olist"]) == real["customer_state"].count()
    assert published["olist_hours"]["value"].null_count() == 0
