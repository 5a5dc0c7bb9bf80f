"""The report of real stores, from a whole shop down to one cell with two bins."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tidecast.state.cells import ALL, Cell
from tidecast.state.errors import StoreError
from tidecast.state.settings import ClickHouseSettings, Settings, parse_settings
from tidecast.streams.store import Store, open_embedded, open_server
from tidecast.tools.report import write_report
from tidecast.tools.report.panels import total_panel
from tidecast.tools.report.questions import expert_weights, region_errors

HOUR = 3_600
BEGIN = 1_741_000_000 // HOUR * HOUR
HORIZON = 4
LEVELS = [0.05, 0.5, 0.95]
EXPERTS = ["linear", "seasonal_naive"]


@pytest.fixture(params=["embedded", pytest.param("server", marks=pytest.mark.services)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "embedded":
        opened = open_embedded(tmp_path / "store")
    else:
        endpoint: Any = request.getfixturevalue("clickhouse_server")
        values = {name: getattr(endpoint, name) for name in ("host", "port", "user", "password")}
        database = f"test_{uuid.uuid4().hex[:12]}"
        opened = open_server(ClickHouseSettings.model_validate(values | {"database": database}))
    opened.migrate()
    yield opened
    if request.param == "server":
        opened.query(f"DROP DATABASE {database}")
    opened.close()


def settings(folder: Path, **regions: Any) -> Settings:
    (folder / "regions.csv").write_text("region,lat,lng\nnorth,45.5,9.2\nsouth,40.8,14.3\n")
    return parse_settings(
        {
            "forecast": {"horizon": HORIZON},
            "regions": regions,
            "sources": [
                {"name": "orders", "topic": "orders", "stream": "order"},
                {"name": "scans", "topic": "scans", "stream": "logistics"},
            ],
            "series": [
                {"name": "demand", "stream": "order", "aggregate": "sum", "of": "units"},
                {"name": "wait", "stream": "logistics", "aggregate": "mean", "of": "hours"},
            ],
        },
        folder=folder,
    )


def fill(store: Store, series: str, regions: list[str], bins: int, error: float = 1.0) -> None:
    """Store actuals of 10, and forecasts that are wrong by ``error``, for each region."""
    for region in regions:
        cell = Cell(region, "toys")
        ends = BEGIN + HOUR * np.arange(1, bins + 1)
        values = {"value": np.full(bins, 10.0), "censored": np.zeros(bins, np.uint8)}
        store.insert(
            "actuals",
            {**named(series, cell, bins), "bin_start": ends - HOUR, "bin_end": ends, **values},
        )
        fill_forecasts(store, series, cell, bins, mean=10.0 + error)


def fill_forecasts(store: Store, series: str, cell: Cell, bins: int, mean: float) -> None:
    """Store forecasts of ``mean``, with bounds 2 below and above it."""
    ends = BEGIN + HOUR * np.arange(1, bins + 1)
    means = np.full((bins, HORIZON), mean, np.float32)
    store.insert(
        "predictions",
        {
            **named(series, cell, bins),
            "origin": ends,
            "valid_time": ends[:, None] + HOUR * np.arange(1, HORIZON + 1),
            "mean": means,
            "quantile_levels": np.tile(LEVELS, (bins, 1)),
            "quantiles": means[:, :, None] + np.array([-2, 0, 2], np.float32),
            "experts": [EXPERTS] * bins,
            "weights": np.tile(np.array([[0.75], [0.25]], np.float32), (bins, 1, HORIZON)),
        },
    )


def named(series: str, cell: Cell, bins: int) -> dict[str, Any]:
    """Return the columns that all rows of a cell have alike."""
    names = {"series": series, "region": cell.region, "category": cell.category, "revision": 0}
    return {name: [value] * bins for name, value in names.items()}


def fill_scores(store: Store, series: str, bins: int) -> None:
    for expert in ("tidecast", *EXPERTS):
        rows = bins * HORIZON
        store.insert(
            "scores",
            {
                "shard": np.zeros(rows, np.int64),
                "series": [series] * rows,
                "expert": [expert] * rows,
                "lead": np.tile(np.arange(1, HORIZON + 1), bins),
                "valid_time": BEGIN + HOUR * np.repeat(np.arange(1, bins + 1), HORIZON),
                "n": np.full(rows, 2),
                "abs_error": np.full(rows, 2.0),
                "squared_error": np.full(rows, 2.0),
                "actual": np.full(rows, 20.0),
                "pinball": np.full(rows, 1.0),
                "intervals": np.full((rows, 1), 0.9),
                "covered": np.full((rows, 1), 2),
                "revision": np.zeros(rows, np.int64),
            },
        )


def test_a_whole_shop_has_every_picture(store: Store, tmp_path: Path) -> None:
    for series in ("demand", "wait"):
        fill(store, series, ["north", "south"], bins=60)
        fill_scores(store, series, bins=60)
    fill_forecasts(store, "demand", Cell(ALL, ALL), bins=60, mean=22.0)
    page = tmp_path / "deep" / "report.html"
    shop = settings(tmp_path, by="field", table=tmp_path / "regions.csv")
    write_report(store, shop, page, "My shop", {"events": "1,200"})
    text = page.read_text(encoding="utf-8")
    headings = ["Demand: forecast", "Wait: forecast", "Accuracy", "Coverage", "Weights", "Regions"]
    places = [text.index(f"<h2>{heading}") for heading in headings]
    assert places == sorted(places)
    for shown in ("<dd>1,200</dd>", "10.0%", "All cells", "north · toys", "60 bins of 1 hour"):
        assert shown in text
    assert "refresh" not in text and "<script" not in text and "<img" not in text


def test_the_total_is_drawn_with_intervals_of_its_own(store: Store) -> None:
    fill(store, "demand", ["north", "south"], bins=30)
    fill_forecasts(store, "demand", Cell(ALL, ALL), bins=30, mean=22.0)
    total = total_panel(store, "demand", lead=2)
    assert total is not None
    assert set(total.actual) == {20.0} and set(total.forecast) == {22.0}
    (band,) = total.bands
    assert band.content == pytest.approx(0.9)
    assert set(band.low) == {20.0} and set(band.high) == {24.0}  # of two cells: 18 and 26


def test_a_single_cell_has_no_total_beside_it(store: Store, tmp_path: Path) -> None:
    fill(store, "demand", ["north"], bins=30)
    write_report(store, settings(tmp_path), tmp_path / "report.html", "One cell", {})
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "north · toys" in text and "the only cell" in text
    assert "All cells" not in text and "The total" not in text


def test_regions_without_positions_have_no_map(store: Store, tmp_path: Path) -> None:
    fill(store, "demand", ["north"], bins=30)
    write_report(store, settings(tmp_path), tmp_path / "report.html", "No map", {})
    assert "<h2>Regions" not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_one_cell_of_two_bins_without_scores_is_enough(store: Store, tmp_path: Path) -> None:
    fill(store, "wait", ["north"], bins=2)
    write_report(store, settings(tmp_path), tmp_path / "report.html", "Small", {})
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "2 bins of 1 hour" in text
    assert "<h2>Accuracy" not in text


def test_an_empty_store_is_refused_with_the_way_out(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="replay a log into it first"):
        write_report(store, settings(tmp_path), tmp_path / "report.html", "Empty", {})


def test_a_series_that_was_never_observed_does_no_harm(store: Store, tmp_path: Path) -> None:
    fill(store, "demand", ["north"], bins=30)
    fill(store, "wait", ["north"], bins=30)
    store.insert(
        "actuals",
        {
            "series": ["wait"] * 30,
            "region": ["north"] * 30,
            "category": ["toys"] * 30,
            "bin_start": BEGIN + HOUR * np.arange(30),
            "bin_end": BEGIN + HOUR * np.arange(1, 31),
            "value": np.full(30, np.nan),
            "censored": np.zeros(30, np.uint8),
            "revision": np.ones(30, np.int64),
        },
    )
    write_report(store, settings(tmp_path), tmp_path / "report.html", "Silent", {})
    assert "<h2>Wait" not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_error_of_a_region_is_over_all_its_leads(store: Store) -> None:
    fill(store, "demand", ["north"], bins=30, error=1.0)
    fill(store, "demand", ["south"], bins=30, error=-3.0)
    north, south = region_errors(store, "demand")
    assert (north.region, north.per_bin, north.wape) == ("north", 10.0, pytest.approx(0.1))
    assert (south.region, south.per_bin, south.wape) == ("south", 10.0, pytest.approx(0.3))


def test_weights_are_shares_by_lead(store: Store) -> None:
    fill(store, "demand", ["north"], bins=30)
    weights = expert_weights(store, "demand")
    assert list(weights) == EXPERTS
    assert weights["linear"] == pytest.approx(np.full(HORIZON, 0.75))
