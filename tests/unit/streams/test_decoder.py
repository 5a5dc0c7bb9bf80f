"""Batches in, events out: the same events, however the records are batched."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shops import click, order, shop

from tidecast.state.cells import CellIndex
from tidecast.state.events import Events
from tidecast.streams.decode import Decoder, Judge, decoder

REGIONS = ["north", "south", "é", "5", "true", "x" * 128]
CLICKS = [
    click(
        region=REGIONS[i * 7 % 6],
        category=f"c{i * i % 11}",
        kind=["view", "cart", "purchase"][i % 3],
        value=None if i % 5 == 0 else i / 8,
        event_time=f"2026-01-31T12:{i // 60:02d}:{i % 60:02d}.{i:03d}Z",
    )
    for i in range(200)
]
CLICKS[40:60:7] = [b"nonsense", click(value=-1), click(region=None)]
WHOLE_CELLS = CellIndex(1_000)
WHOLE, REFUSALS = Decoder(shop(), shop().sources[0]).decode(CLICKS, WHOLE_CELLS)


def rows(events: Events, start: int) -> list[tuple[object, ...]]:
    """Return the events as tuples, with the index counted from the start of the log."""
    return list(
        zip(
            (events.index + start).tolist(),
            events.time.tolist(),
            events.cell.tolist(),
            events.terms.tolist(),
            strict=True,
        )
    )


@settings(deadline=None, max_examples=40)
@given(st.sets(st.integers(0, 200)))
def test_events_do_not_depend_on_batches(cuts: set[int]) -> None:
    shop_settings = shop()
    reader = Decoder(shop_settings, shop_settings.sources[0])
    cells = CellIndex(1_000)
    found: list[tuple[object, ...]] = []
    refused: list[tuple[int, str]] = []
    for start, end in pairwise(sorted(cuts | {0, 200})):
        events, refusals = reader.decode(CLICKS[start:end], cells)
        found += rows(events, start)
        refused += [(refusal.index + start, refusal.reason) for refusal in refusals]
    assert found == rows(WHOLE, 0)
    assert refused == [(refusal.index, refusal.reason) for refusal in REFUSALS]
    assert cells.cells == WHOLE_CELLS.cells


def test_a_good_batch_is_read_without_the_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Judge, "judge", lambda *_: pytest.fail("judged"))
    records = [click(region=f"r{i % 9}", value=i / 4) for i in range(500)]
    events, refusals = Decoder(shop(), shop().sources[0]).decode(records, CellIndex(10))
    assert len(events) == 500 and refusals == []
    assert events.terms[:3].tolist() == [[1, 0, 1], [1, 250, 1], [1, 500, 1]]


def test_one_bad_record_in_a_hundred_sends_few_to_the_judge(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judged = []
    honest = Judge.judge
    monkeypatch.setattr(Judge, "judge", lambda *a: (judged.append(a), honest(*a))[1])
    records = [click(value="x") if i % 100 == 50 else click() for i in range(2_000)]
    events, refusals = Decoder(shop(), shop().sources[0]).decode(records, CellIndex(10))
    assert len(events) == 1_980 and len(refusals) == 20
    assert len(judged) < 20 * 32


def test_cells_beyond_the_limit_fall_into_the_overflow_cell() -> None:
    records = [click(region=f"r{i}") for i in range(100)]
    cells = CellIndex(3)
    events, _ = Decoder(shop(), shop().sources[0]).decode(records, cells)
    assert events.cell.tolist() == [0, 1, 2, *[3] * 97]
    assert cells.overflowed == 97


def test_names_without_end_are_forgotten_and_cells_keep_their_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decoder, "MAX_NAMES", 50)
    reader, cells = Decoder(shop(), shop().sources[0]), CellIndex(10_000)
    first, _ = reader.decode([click(region=f"r{i}") for i in range(100)], cells)
    again, _ = reader.decode([click(region=f"r{i}") for i in reversed(range(100))], cells)
    np.testing.assert_array_equal(again.cell, first.cell[::-1])
    assert len(cells) == 100


def test_one_decoder_serves_partitions_with_cells_of_their_own() -> None:
    reader = Decoder(shop(), shop().sources[0])
    one, two = CellIndex(10), CellIndex(10)
    reader.decode([click(region="a"), click(region="b")], one)
    events, _ = reader.decode([click(region="b"), click(region="a")], two)
    assert events.cell.tolist() == [0, 1]
    assert [cell.region for cell in two.cells] == ["b", "a"]


def test_a_term_counts_only_the_events_of_its_kinds() -> None:
    settings_ = shop("order", negative_units="cancellation")
    records = [order(), order(units=-3), order(kind="return"), order(amount=None)]
    events, _ = Decoder(settings_, settings_.sources[0]).decode(records, CellIndex(10))
    assert events.terms.tolist() == [[2000, 999], [0, 999], [0, 999], [2000, 0]]


def test_an_empty_batch_holds_no_events() -> None:
    events, refusals = Decoder(shop(), shop().sources[0]).decode([], CellIndex(10))
    assert len(events) == 0 and refusals == [] and events.terms.shape == (0, 3)
