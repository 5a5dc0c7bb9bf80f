"""The latency benchmark: when a bin is complete, and what the wait for its forecasts was."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tidecast.state.cuts import Cut
from tidecast.state.errors import ServiceError
from tidecast.state.settings import load_settings
from tidecast.streams.store import QueryResult
from tidecast.tools.bench.latency import Watcher, completions, summary
from tidecast.tools.bench.live import LiveShop

SHOP = LiveShop("bench-x", cells=50, rate=100, bin_seconds=5)


def test_a_bin_is_complete_with_the_last_partition_to_cut_it() -> None:
    cuts = [Cut("s", 0, 7, 7, 10), Cut("s", 1, 7, 7, 3), Cut("s", 0, 8, 8, 20)]
    appends = {0: {10: 100.0, 20: 105.0}, 1: {3: 101.5}}
    assert completions(cuts, appends) == {7: 101.5}


def test_a_cut_over_several_bins_completes_them_all() -> None:
    cuts = [Cut("s", 0, 7, 9, 10), Cut("s", 1, 7, 7, 3), Cut("s", 1, 8, 9, 4)]
    appends = {0: {10: 100.0}, 1: {3: 99.0, 4: 107.0}}
    assert completions(cuts, appends) == {7: 100.0, 8: 107.0, 9: 107.0}


def test_a_correction_does_not_complete_a_bin_again() -> None:
    cuts = [Cut("s", 0, 7, 8, 10), Cut("s", 0, 9, 8, 15), Cut("s", 0, 9, 9, 20)]
    assert completions(cuts, {0: {10: 1.0, 15: 2.0, 20: 3.0}}) == {7: 1.0, 8: 1.0, 9: 3.0}


def test_waits_are_told_as_quantiles_with_missing_bins_as_infinite() -> None:
    complete = {bin_: 100.0 + bin_ for bin_ in range(4)}
    found = summary(SHOP, 99.0, complete, {0: 100.2, 1: 101.1, 2: 102.3})
    assert found.p50 == pytest.approx(0.3)
    assert (found.bins, found.missing, found.p99) == (4, 1, float("inf"))


def test_no_complete_bin_is_an_error() -> None:
    with pytest.raises(ServiceError, match="more --seconds"):
        summary(SHOP, 99.0, {}, {})


def test_history_gives_every_cell_one_event_a_bin() -> None:
    now = 1_000_000_000
    events = [(time, orjson.loads(value)) for time, value in SHOP.history(now, bins=3)]
    cells = [(time // 5_000_000, e["region"], e["category"]) for time, e in events]
    assert len(set(cells)) == len(cells) == 150
    assert max(time for time, _ in events) < now


def test_the_shop_is_one_the_workers_accept(tmp_path: Any) -> None:
    path = tmp_path / "tidecast.toml"
    path.write_text(SHOP.settings())
    settings = load_settings(path, {})
    assert len(settings.series) == 3
    assert settings.forecast.horizon == 12
    assert settings.clickhouse.database == "bench_x"


class FakeStore:
    """Answers each query with the next of ``answers``, the last one for ever."""

    def __init__(self, *answers: list[tuple[int, int]]) -> None:
        self.answers = list(answers)

    def migrate(self) -> list[str]:
        return []

    def insert(self, table: str, columns: Any) -> int:
        return 0

    def query(self, sql: str, parameters: Any = None) -> QueryResult:
        rows = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return QueryResult(("at", "n"), [tuple(row) for row in rows])

    def close(self) -> None:
        pass


def test_the_watcher_notes_each_origin_once_as_the_bin_before_it() -> None:
    watcher = Watcher(FakeStore([], [(500, 150)], [(500, 150), (505, 150)]), SHOP)
    watcher.watch(5.0, until=100)
    first, second = watcher.arrived[99], watcher.arrived[100]
    assert set(watcher.arrived) == {99, 100}
    assert first < second
