"""Regions and categories are whatever a feed says: no store takes them for SQL."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tidecast.state.settings import ClickHouseSettings
from tidecast.streams.schemas.forecasts import PredictionRecord
from tidecast.streams.schemas.windows import WindowRecord
from tidecast.streams.store import Store, open_embedded, open_server
from tidecast.streams.store.rows import actual_columns, prediction_columns

HOSTILE = [
    "'; DROP TABLE predictions; --",
    "\\'; DROP TABLE predictions; --",
    "\\",
    "\\\\'",
    "'",
    "''",
    '"`)',
    "a\0b",
    "%(region)s",
    "%s%%{}",
    "') UNION ALL SELECT name FROM system.tables --",
    "/* */ -- #",
    "\n\r\t\b\f\x1a",
    "Zürich 东京 🌊\u202e",
    "NULL",
    " ",
]


@pytest.fixture
def server(clickhouse_server: Any) -> Iterator[Store]:
    database = f"test_{uuid.uuid4().hex[:12]}"
    settings = ClickHouseSettings.model_validate(
        clickhouse_server.model_dump() | {"database": database}
    )
    store = open_server(settings)
    yield store
    store.query(f"DROP DATABASE {database}")
    store.close()


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Store]:
    store = open_embedded(tmp_path / "store")
    yield store
    store.close()


@pytest.fixture(params=["embedded", pytest.param("server", marks=pytest.mark.services)])
def store(request: pytest.FixtureRequest) -> Store:
    found: Store = request.getfixturevalue(request.param)
    found.migrate()
    return found


def forecast(name: str) -> PredictionRecord:
    return PredictionRecord.model_validate(
        {
            "schema_version": 1,
            "series": "demand",
            "region": name,
            "category": name,
            "origin": "2026-01-31T12:00:00Z",
            "valid_time": ["2026-01-31T13:00:00Z"],
            "mean": [1.0],
            "quantile_levels": [0.5],
            "quantiles": [[1.0]],
            "weights": {name or "naive": [1.0]},
            "revision": 0,
        }
    )


def window() -> WindowRecord:
    return WindowRecord.model_validate(
        {
            "schema_version": 1,
            "bin": 0,
            "bin_start": "2026-01-31T12:00:00Z",
            "bin_end": "2026-01-31T13:00:00Z",
            "revision": 0,
            "events": len(HOSTILE),
            "series": ["demand"],
            "regions": HOSTILE,
            "categories": HOSTILE,
            "values": [[1.0] * len(HOSTILE)],
        }
    )


def test_hostile_names_are_stored_and_found_as_they_are(store: Store) -> None:
    store.insert("predictions", prediction_columns([forecast(name) for name in HOSTILE]))
    store.insert("actuals", actual_columns([window()]))
    for table in ("predictions", "actuals", "latest_forecast"):
        rows = store.query(f"SELECT region, category FROM {table}").rows
        assert sorted(rows) == sorted((name, name) for name in HOSTILE), table
        for name in HOSTILE:
            found = store.query(
                f"SELECT region FROM {table} WHERE region = %(region)s AND category IN %(some)s",
                {"region": name, "some": (name, "nobody")},
            )
            assert found.rows == [(name,)], (table, name)


@pytest.mark.parametrize("name", ["x`; DROP DATABASE y", "a.b", "", "1a", "é", "a-b", "a\n"])
def test_a_database_has_a_plain_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="database"):
        ClickHouseSettings.model_validate({"database": name})
