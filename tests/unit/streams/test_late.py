"""What becomes of the late events of a bin, decided without a broker."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from tidecast.state.settings import parse_settings
from tidecast.streams.decode.judge import Judged
from tidecast.streams.late import Amendment, Change, LatePlan, Planner, write_amendments
from tidecast.streams.recount.compare import BinTable
from tidecast.streams.recount.past import Past
from tidecast.streams.recount.sums import bin_sums
from tidecast.streams.store.base import Columns

SETTINGS = parse_settings(
    {
        "sources": [{"name": "clicks", "topic": "clicks", "stream": "click"}],
        "series": [
            {
                "name": "traffic",
                "stream": "click",
                "aggregate": "count",
                "censored_by": {"stream": "click", "kinds": ["cart"]},
            },
            {"name": "worth", "stream": "click", "aggregate": "mean", "of": "value"},
        ],
    }
)
BIN = 3
NAN = float("nan")


def sums(*events: tuple[str, float], late: bool = False, kind: str = "view") -> BinTable:
    records = [Judged(0, region, "books", kind, (value,)) for region, value in events]
    told = np.arange(len(records)) if late else None
    bins = np.full(len(records), BIN)
    return BinTable(SETTINGS, bin_sums(SETTINGS, SETTINGS.sources[0], bins, records, told))


def plan(found: dict[str, tuple[float, float]], **live: Any) -> LatePlan:
    """Plan for a bin of (a, 4.0) and, late, (a, 2.0), where the store has ``found``."""
    told = {
        "settings": SETTINGS,
        "counted": lambda: sums(("a", 4.0)),
        "late": lambda: sums(("a", 2.0), late=True),
        "is_final": lambda bin_: True,
        "is_stored": lambda bin_: True,
        "name": str,
        "past": Past(),
        "whole_from": -1,
    }
    frame = pl.DataFrame(
        [(region, "books", *values) for region, values in found.items()],
        schema={
            "region": pl.String,
            "category": pl.String,
            "traffic.value": pl.Float64,
            "worth.value": pl.Float64,
        },
        orient="row",
    ).with_columns(pl.lit(0.0).alias("traffic (censored).value"))
    actuals: Any = SimpleNamespace(
        frames=lambda bins: [(bin_, frame) for bin_ in bins], revisions={BIN: 4}
    )
    return Planner(SimpleNamespace(**told | live), actuals).plan()  # type: ignore[arg-type]


def test_late_events_change_a_bin_that_is_as_counted_without_them() -> None:
    (amendment,) = plan({"a": (1.0, 4.0)}).amendments
    assert amendment.revision == 5
    assert list(amendment.changes) == [
        Change(BIN, "a", "books", "traffic", 1.0, 2.0),
        Change(BIN, "a", "books", "worth", 4.0, 3.0),
    ]


def test_the_whole_bin_is_written_also_what_does_not_change() -> None:
    (amendment,) = plan({"a": (1.0, 4.0), "b": (0.0, NAN)}).amendments
    traffic = [row for row in amendment.rows if row[0] == "traffic"]
    assert traffic == [("traffic", "a", "books", 2.0, 0), ("traffic", "b", "books", 0.0, 0)]
    assert {change.region for change in amendment.changes} == {"a"}


def test_a_late_event_that_marks_a_cell_censors_its_row() -> None:
    (amendment,) = plan(
        {"a": (1.0, 4.0)}, late=lambda: sums(("a", 4.0), late=True, kind="cart")
    ).amendments
    assert amendment.rows == [("traffic", "a", "books", 2.0, 1), ("worth", "a", "books", 4.0, 0)]
    assert Change(BIN, "a", "books", "traffic (censored)", 0.0, 1.0) in amendment.changes


def test_a_cell_that_only_late_events_have_gets_rows() -> None:
    late = plan({"a": (1.0, 4.0)}, late=lambda: sums(("z", 2.0), late=True))
    assert Change(BIN, "z", "books", "worth", None, 2.0) in late.amendments[0].changes


def test_a_bin_that_holds_them_is_done() -> None:
    done = plan({"a": (2.0, 3.0)})
    assert (done.done, done.amendments, done.refused) == (1, [], [])


def test_a_bin_that_is_no_recount_is_refused_by_name() -> None:
    refused = plan({"a": (7.0, 4.0)})
    assert refused.amendments == []
    assert refused.refused[0].startswith(
        "bin 3: a/books is in the store what the log gives with no"
    )


def test_a_bin_that_has_lost_records_is_refused_whatever_the_store_holds() -> None:
    refused = plan({"a": (1.0, 4.0)}, whole_from=4)
    assert refused.amendments == []
    assert refused.refused == ["bin 3: records of it are gone from the source topics"]


@pytest.mark.parametrize("what", ["is_final", "is_stored"])
def test_a_bin_that_may_still_change_waits(what: str) -> None:
    waiting = plan({"a": (1.0, 4.0)}, **{what: lambda bin_: False})
    assert (waiting.waiting, waiting.amendments, waiting.events) == (1, [], 0)


def test_a_series_that_the_bin_lacks_stays_as_it_is() -> None:
    past = Past(counted_from={"worth": BIN + 1})
    (amendment,) = plan({"a": (1.0, NAN)}, past=past).amendments
    assert [row[0] for row in amendment.rows] == ["traffic"]


def test_bins_are_written_whole_and_large_ones_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    inserts: list[Columns] = []
    store: Any = SimpleNamespace(insert=lambda table, columns: inserts.append(columns))
    monkeypatch.setattr("tidecast.streams.late.ROWS", 3)
    rows = [("traffic", "a", "books", 1.0, 1), ("worth", "a", "books", 2.0, 0)]
    write_amendments(SETTINGS, store, [Amendment(n, n, rows, []) for n in (1, 2)])
    assert [insert["revision"] for insert in inserts] == [[1, 1], [2, 2]]
    assert inserts[1]["censored"] == [1, 0]
    assert inserts[1]["bin_start"] == [7_200, 7_200]
    assert inserts[1]["bin_end"] == [10_800, 10_800]
