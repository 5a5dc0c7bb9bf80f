"""Records on their way into the store: split, put aside, or kept for later."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from fake_store import PLACE, FakeStore, item
from hypothesis import given
from hypothesis import strategies as st

from tidecast.state.errors import (
    StoreAwayError,
    StoreError,
    StoreFullError,
    StoreRowsError,
)
from tidecast.streams import flight as module
from tidecast.streams.flight import Flight, Item
from tidecast.streams.store.base import Columns


def flight_of(items: list[Item]) -> Flight:
    return Flight({"predictions": items}, {PLACE: len(items)})


def nothing(table: str, rows: int) -> None:
    pass


@given(st.integers(1, 40), st.sets(st.integers(0, 39)), st.sets(st.integers(0, 39)))
def test_only_what_is_at_fault_is_put_aside(count: int, broken: set[int], unfit: set[int]) -> None:
    def rule(regions: list[str]) -> None:
        if bad := {f"r{n}" for n in unfit} & set(regions):
            raise StoreRowsError(f"no place for {bad}")

    store = FakeStore(rule)
    flight = flight_of([item(n, b"{}" if n in broken else None) for n in range(count)])
    flight.land(store, nothing)
    wrong = {n for n in broken | unfit if n < count}
    assert {put.item.offset for put in flight.put_aside} == wrong
    assert len(flight.put_aside) == len(wrong)
    assert all(put.reason.startswith("not_stored: ") for put in flight.put_aside)
    assert sorted(store.regions) == sorted(f"r{n}" for n in range(count) if n not in wrong)


@given(st.integers(1, 100), st.integers(1, 100))
def test_a_too_large_insert_is_split_until_it_passes(count: int, limit: int) -> None:
    def rule(regions: list[str]) -> None:
        if len(regions) > limit:
            raise StoreFullError("too much at once")

    store = FakeStore(rule)
    rows: list[int] = []
    flight_of([item(n) for n in range(count)]).land(store, lambda _, n: rows.append(n))
    assert store.regions == [f"r{n}" for n in range(count)]
    assert sum(rows) == count
    assert max(rows) <= limit


@given(st.lists(st.integers(1, 9), max_size=40), st.integers(1, 20))
def test_no_insert_is_decoded_of_more_than_may_be_held(sizes: list[int], most: int) -> None:
    places = [item(n, b"x" * size) for n, size in enumerate(sizes)]
    inserts: list[list[Item]] = []

    def decode(records: Sequence[bytes]) -> dict[str, list[str]]:
        first = sum(map(len, inserts))
        inserts.append(places[first : first + len(records)])
        return {"region": [f"r{place.offset}" for place in inserts[-1]]}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "INSERT_BYTES", most)
        patch.setitem(module.COLUMNS, "predictions", decode)
        store = FakeStore()
        flight_of(places).land(store, nothing)
    assert store.regions == [f"r{n}" for n in range(len(sizes))]
    assert all(len(part) == 1 or sum(len(i.value) for i in part) <= most for part in inserts)
    pairs = itertools.pairwise(inserts)
    assert all(sum(len(i.value) for i in [*part, after[0]]) > most for part, after in pairs)


def test_a_single_record_that_is_too_much_waits_for_a_better_time() -> None:
    def rule(regions: list[str]) -> None:
        raise StoreFullError("no memory at all")

    flight = flight_of([item(0), item(1)])
    with pytest.raises(StoreAwayError, match="no memory at all"):
        flight.land(FakeStore(rule), nothing)
    store = FakeStore()
    flight.land(store, nothing)
    assert store.regions == ["r0", "r1"]
    assert flight.put_aside == []


def test_what_is_in_is_not_sent_again_when_the_store_comes_back() -> None:
    def rule(regions: list[str]) -> None:
        if len(regions) > 2:
            raise StoreFullError("too much at once")
        if "r2" in regions:
            raise StoreAwayError("gone in the middle")

    store = FakeStore(rule)
    flight = flight_of([item(n) for n in range(4)])
    with pytest.raises(StoreAwayError):
        flight.land(store, nothing)
    assert store.regions == ["r0", "r1"]
    store.rule = lambda regions: None
    flight.land(store, nothing)
    assert store.regions == ["r0", "r1", "r2", "r3"]


def test_a_refusal_that_is_not_the_rows_fault_is_raised_and_puts_nothing_aside() -> None:
    def rule(regions: list[str]) -> None:
        raise StoreError("there is no table 'predictions'")

    flight = flight_of([item(n) for n in range(4)])
    with pytest.raises(StoreError, match=re.escape("no table")):
        flight.land(FakeStore(rule), nothing)
    assert flight.put_aside == []


WINDOW: dict[str, Any] = {
    "bin": 5,
    "bin_start": "2026-01-31T00:00:00Z",
    "bin_end": "2026-01-31T01:00:00Z",
    "revision": 0,
    "events": 3,
    "series": ["demand", "hours"],
    "regions": ["r0", "r1"],
    "categories": ["books", "books"],
    "values": [[1.0, None], [2.0, 3.0]],
    "censored": [[1], []],
    "counts": [None, [1.0, 4.0]],
}
SCORE: dict[str, Any] = {
    "valid_time": "2026-01-31T01:00:00Z",
    "revision": 0,
    "series": ["demand"],
    "experts": ["tidecast", "naive"],
    "n": [[[1, 2]], [[1, 2]]],
    "abs_error": [[[1.0, 2.0]], [[1.0, 2.0]]],
    "squared_error": [[[1.0, 2.0]], [[1.0, 2.0]]],
    "actual": [[[1.0, 2.0]], [[1.0, 2.0]]],
    "pinball": [[[1.0, 2.0]], [[None, None]]],
    "intervals": [0.8],
    "covered": [[[1, 1]]],
}


@pytest.mark.parametrize(
    ("table", "whole", "part"),
    [
        ("actuals", WINDOW, {"categories": ["books"]}),
        ("actuals", WINDOW, {"values": [[1.0, 2.0]]}),
        ("actuals", WINDOW, {"values": [[1.0], [2.0, 3.0]]}),
        ("actuals", WINDOW, {"censored": [[1]]}),
        ("actuals", WINDOW, {"counts": [None, [1.0]]}),
        ("scores", SCORE, {"experts": ["tidecast"]}),
        ("scores", SCORE, {"series": ["demand", "hours"]}),
        ("scores", SCORE, {"pinball": [[[1.0]], [[None, None]]]}),
        ("scores", SCORE, {"covered": []}),
    ],
)
def test_a_record_whose_arrays_do_not_fit_each_other_is_put_aside_alone(
    table: str, whole: Mapping[str, Any], part: Mapping[str, Any]
) -> None:
    rows: list[int] = []
    records = [whole, {**whole, **part}, whole]
    items = [item(n, json.dumps(record).encode()) for n, record in enumerate(records)]
    flight = Flight({table: items}, {PLACE: 3})
    flight.land(CountingStore(), lambda _, n: rows.append(n))
    assert sum(rows) == 8
    assert [put.item.offset for put in flight.put_aside] == [1]


class CountingStore(FakeStore):
    """Takes columns of one length."""

    def insert(self, table: str, columns: Columns) -> int:
        (length,) = {len(column) for column in columns.values()}
        return length
