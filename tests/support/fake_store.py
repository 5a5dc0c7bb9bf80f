"""A store that keeps the regions of predictions, and refuses what a test says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from faust.types import TP

from tidecast.streams.flight import Item
from tidecast.streams.schemas.forecasts import PredictionRecord
from tidecast.streams.store import QueryResult
from tidecast.streams.store.base import Columns

PLACE = TP("predictions", 0)
ORIGIN = datetime(2026, 1, 31, tzinfo=UTC)
Rule = Callable[[list[str]], None]


class FakeStore:
    """Keeps regions; ``rule`` is asked before and may refuse."""

    def __init__(self, rule: Rule = lambda regions: None) -> None:
        self.rule = rule
        self.regions: list[str] = []

    def migrate(self) -> list[str]:
        return []

    def insert(self, table: str, columns: Columns) -> int:
        regions = list(columns["region"])
        self.rule(regions)
        self.regions += regions
        return len(regions)

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> QueryResult:
        raise NotImplementedError

    def close(self) -> None:
        pass


def item(offset: int, value: bytes | None = None) -> Item:
    record = PredictionRecord(
        series="traffic",
        region=f"r{offset}",
        category="books",
        origin=ORIGIN,
        valid_time=[ORIGIN],
        mean=[1.0],
        quantile_levels=[0.5],
        quantiles=[[1.0]],
        weights={"last": [1.0]},
        revision=0,
    )
    return Item(PLACE, offset, record.model_dump_json().encode() if value is None else value)
