"""What verify says of forecasts beside workers that go on meanwhile."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from shops import shop

from tidecast.state.bins import BinGrid, iso
from tidecast.state.cells import Cell
from tidecast.streams.recount.audit import Verdict
from tidecast.streams.recount.checks import Checks
from tidecast.streams.recount.foreign import Foreign
from tidecast.streams.store.base import QueryResult

SHOP = shop()
GRID = BinGrid(SHOP.bins.width, SHOP.shop.time_zone)
CLOSED = 491_000  # the last bin that was closed when verify began
NORTH, SOUTH = CELLS = (Cell("north", "books"), Cell("south", "books"))
Forecast = tuple[int, Cell] | tuple[int, Cell, str]
"""A bin that was forecast from the end of, a cell, and a series; traffic if none is named."""


def record(forecast: Forecast) -> bytes:
    """Return a prediction as it is on the wire."""
    bin_, cell, series = (*forecast, "traffic")[:3]
    told = {
        "origin": iso(GRID.end(bin_)),
        "valid_time": [iso(GRID.end(bin_ + 1))],
        **{"series": series, "region": cell.region, "category": cell.category},
        **{"mean": [1.0], "quantile_levels": [0.5], "quantiles": [[1.0]]},
        **{"weights": {"last": [1.0]}, "revision": 0},
    }
    return json.dumps(told).encode()


class StoreOf:
    """A store of forecasts, asked for those of a range of origins."""

    def __init__(self, forecasts: Sequence[Forecast]) -> None:
        self._rows = [self._row(*forecast) for forecast in forecasts]

    def _row(self, bin_: int, cell: Cell, series: str = "traffic") -> tuple[Any, ...]:
        origin, then = (GRID.end(b) // 1_000_000 for b in (bin_, bin_ + 1))
        head = (origin, series, cell.region, cell.category, 0, [then])
        return (*head, [1.0], [0.5], [[1.0]], ["last"], [[1.0]])

    def query(self, _: str, parameters: dict[str, int]) -> QueryResult:
        within = range(parameters["first"], parameters["last"] + 1)
        return QueryResult((), [row for row in self._rows if row[0] in within])


def verdict(
    sent: Sequence[Forecast], stored: Sequence[Forecast], series: tuple[str, ...] = ("traffic",)
) -> Verdict:
    """Return what is said of ``sent`` forecasts, of which the sink has committed all."""
    values = list(map(record, sent))
    live: Any = SimpleNamespace(
        **{"settings": SHOP, "counted": lambda: None, "grid": GRID, "last_bin": CLOSED},
        names=SimpleNamespace(predictions="predictions"),
        spans=lambda topic: {0: (0, len(values))},
        read=lambda topic, spans: [(0, list(range(len(values))), values)],
        stored={("predictions", 0): len(values)},
        foreign=Foreign(),
        slabs=SimpleNamespace(forecasts={CLOSED: (series, CELLS)}),
    )
    store: Any = StoreOf(stored)
    found = Verdict()
    Checks(live, found).forecasts(store)
    return found


TOTAL = Cell("(all)", "(all)")
WHOLE = [(CLOSED, NORTH), (CLOSED, SOUTH), (CLOSED, TOTAL)]


def test_forecasts_that_were_being_sent_meanwhile_are_not_held_against_the_store() -> None:
    found = verdict(
        [*WHOLE, (CLOSED + 1, NORTH)], [*WHOLE, (CLOSED + 1, NORTH), (CLOSED + 1, SOUTH)]
    )
    assert found.is_clean
    assert found.figures["predictions"] == 4


def test_what_the_topic_or_the_store_lacks_of_a_closed_bin_is_wrong() -> None:
    assert verdict(WHOLE, WHOLE).is_clean
    lacking = verdict([WHOLE[0], WHOLE[2]], WHOLE)
    assert lacking.wrong == {
        "predictions missing": 1,
        "predictions stored that are not in the topic": 1,
    }
    assert verdict(WHOLE, [WHOLE[0], WHOLE[2]]).wrong == {"predictions not stored": 1}


def test_a_total_that_is_not_forecast_is_missing() -> None:
    assert verdict(WHOLE[:2], WHOLE[:2]).wrong == {"predictions missing": 1}


def test_a_series_that_was_dropped_since_is_judged_by_what_was_forecast_then() -> None:
    series = ("dropped", "traffic")
    cells = [*WHOLE, (CLOSED, NORTH, "dropped"), (CLOSED, SOUTH, "dropped")]
    assert verdict(cells, cells, series).is_clean  # a mean
    sums = [*cells, (CLOSED, TOTAL, "dropped")]
    assert verdict(sums, sums, series).is_clean
    lacking = [*sums[:-2], sums[-1]]
    assert verdict(lacking, lacking, series).wrong == {"predictions missing": 1}
