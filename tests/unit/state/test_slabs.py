"""Cuts of many partitions become one sequence of slabs."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from partitions import MINUTE, Row, bin_at, recount, warm
from slabs import (
    LISTED,
    PLACES,
    accepted,
    cuts_of,
    interleaved,
    new_fold,
    plain_slab,
    plain_slabs,
    reborn,
    settings_with,
    slabs_of,
)

from tidecast.state.cells import Cell, CellIndex
from tidecast.state.cuts import BinSums, Cut, Idle, PartitionList
from tidecast.state.slabs import Slab, SlabFold

regions = st.sampled_from("abcd")
rows_ = st.lists(
    st.tuples(regions, st.sampled_from([0, 3, 30, 61, 150, 900]), st.sampled_from([0, 0, 40, 170]))
)


@st.composite
def logs(draw: st.DrawFn) -> list[list[Row]]:
    """Draw a log for each of PLACES, with disorder, late records and pauses."""
    out = []
    for _ in PLACES:
        now = float(draw(st.integers(600, 900)))
        rows = warm(now) if draw(st.booleans()) else []
        for region, on, delay in draw(rows_):
            now += on
            rows.append(Row(now - delay, region, delay + 1))
        out.append(rows)
    return out


turns_ = st.lists(st.integers(0, 5), max_size=60)


def cuts(rows: list[list[Row]]) -> list[list[Cut]]:
    return [cuts_of(log, place) for log, place in zip(rows, PLACES, strict=True)]


def minute(bin_: int, **units: int) -> BinSums:
    """Return what a partition adds to the bin: region = units, of one event each."""
    cells = CellIndex(99, [Cell(region, "x") for region in units])
    return BinSums.of(bin_, cells, np.array([[1] * len(units), list(units.values())]))


def cut(place: int, boundary: int, upto: int, *bins: BinSums, since: int = 10) -> Cut:
    return Cut(*PLACES[place], since, boundary, upto, bins)


def others(boundary: int, upto: int = 900) -> list[Cut]:
    """Return cuts that let the partitions but the first pass ``boundary``."""
    return [cut(1, boundary, upto), cut(2, boundary, upto)]


def units(slab: Slab, fold: SlabFold) -> dict[str, float]:
    """Return region -> value of the first series."""
    rows = slab.values[:, 0].tolist()
    return {c.region: value for c, value in zip(fold.cells.cells, rows, strict=False) if value}


@given(logs(), turns_, turns_, st.integers(0, 60))
def test_any_interleaving_of_partitions_gives_the_same_slabs(
    rows: list[list[Row]], one: list[int], other: list[int], listed_at: int
) -> None:
    parts = cuts(rows)
    expected = plain_slabs(interleaved(parts, one))
    assert plain_slabs(interleaved(parts, other, listed_at)) == expected


@given(logs(), turns_)
def test_slabs_hold_what_a_recount_gives_cell_by_cell(
    rows: list[list[Row]], turns: list[int]
) -> None:
    fold = new_fold()
    last = {s.bin: s for s in slabs_of(interleaved(cuts(rows), turns), fold)}
    kept = [accepted(log) for log in rows]
    clicks, orders = recount([*kept[0], *kept[1]]), recount(kept[2])
    for bin_ in clicks.keys() | orders.keys():
        slab = last.pop(bin_)
        here, there = clicks.get(bin_, {}), orders.get(bin_, {})
        for cell, (value, demand) in zip(fold.cells.cells, slab.values.tolist(), strict=False):
            assert value == here.get(cell.region, (0, 0))[1]
            assert demand == there.get(cell.region, (0, 0))[1]
        assert slab.events == sum(n for n, _ in (*here.values(), *there.values()))
    assert all(slab.events == 0 for slab in last.values())
    assert fold.beyond_reach == 0


@given(logs(), turns_, st.data())
def test_cuts_sent_again_change_nothing(
    rows: list[list[Row]], turns: list[int], data: st.DataObject
) -> None:
    messages = interleaved(cuts(rows), turns)
    again = list(messages)
    places = st.integers(0, len(messages))
    runs = data.draw(st.lists(st.tuples(places, places), max_size=4))
    for stop, start in sorted(((max(run), min(run)) for run in runs), reverse=True):
        again[stop:stop] = messages[start:stop]  # a worker starts again from a checkpoint
    assert plain_slabs(again) == plain_slabs(messages)


@given(logs(), turns_, st.integers(1, 40))
def test_a_fold_restored_anywhere_gives_the_same_slabs(
    rows: list[list[Row]], turns: list[int], every: int
) -> None:
    messages = interleaved(cuts(rows), turns)
    fold, slabs = new_fold(), []
    for number, message in enumerate(messages):
        slabs += [plain_slab(slab) for slab in fold.step(message)]
        if number % every == 0:
            fold = reborn(fold)
    assert slabs == plain_slabs(messages)


@given(logs(), turns_)
def test_a_bin_closes_once_and_its_revisions_count_up(
    rows: list[list[Row]], turns: list[int]
) -> None:
    revisions: dict[int, int] = {}
    closed: list[int] = []
    for slab in slabs_of(interleaved(cuts(rows), turns)):
        if slab.revision == 0:
            closed.append(slab.bin)
        else:
            assert slab.revision == revisions.get(slab.bin, 0) + 1
        revisions[slab.bin] = slab.revision
    assert closed == sorted(set(closed))


def test_a_slab_is_made_once_every_partition_has_passed_its_boundary() -> None:
    fold = new_fold()
    first = [cut(0, 10, 8, minute(10, a=1)), cut(0, 11, 9, minute(11, b=2)), cut(1, 10, 5)]
    assert slabs_of([LISTED, *first], fold) == []
    assert fold.holding_back() == PLACES[2]
    (slab,) = fold.step(cut(2, 12, 7))
    assert (slab.bin, slab.events, units(slab, fold)) == (10, 1, {"a": 1})
    assert fold.holding_back() == PLACES[1]


def test_cuts_before_the_list_of_partitions_count_when_it_comes() -> None:
    before = [cut(0, 10, 8, minute(10, a=1)), *others(10)]
    assert [slab.events for slab in slabs_of([*before, LISTED])] == [1]


def test_of_several_lists_of_partitions_the_first_one_wins() -> None:
    later = PartitionList((("clicks", 0),))
    messages = [LISTED, later, cut(0, 10, 8, minute(10, a=1))]
    assert slabs_of(messages) == []


def test_cuts_of_partitions_that_are_not_listed_change_nothing() -> None:
    stranger = Cut("clicks", 7, 10, 10, 3, (minute(10, z=99),))
    messages = [cut(0, 10, 8, minute(10, a=1)), *others(10)]
    assert plain_slabs([LISTED, stranger, *messages]) == plain_slabs([LISTED, *messages])


def test_a_correction_comes_before_the_slab_with_the_next_revision() -> None:
    first = [cut(0, 10, 8, minute(10, a=1)), *others(10)]
    second = [cut(0, 11, 20, minute(10, a=5), minute(11, a=2), since=11), *others(11, 901)]
    third = [cut(0, 12, 30, minute(10, a=6), since=12), *others(12, 902)]
    slabs = slabs_of([LISTED, *first, *second, *third])
    assert [(s.bin, s.revision, s.values[0, 0]) for s in slabs] == [
        (10, 0, 1),
        (10, 1, 5),
        (11, 0, 2),
        (10, 2, 6),
        (12, 0, 0),
    ]


def test_what_a_stale_writer_sends_changes_nothing() -> None:
    messages = [
        LISTED,
        cut(0, 10, 8, minute(10, a=1)),
        cut(0, 11, 20, minute(11, a=2), since=11),
    ]
    stale = [cut(0, 10, 7, minute(10, z=9)), cut(0, 10, 8, minute(10, a=1))]
    rest = [*others(10), *others(11, 901)]
    assert plain_slabs([*messages, *stale, *rest]) == plain_slabs([*messages, *rest])


def test_part_of_the_cuts_of_one_record_sent_again_takes_nobody_back() -> None:
    passed = [cut(0, 10, 8, minute(10, a=1)), cut(0, 19, 8, since=11)]
    end = Cut(*PLACES[0], 20, 19, 8, ended=True)
    fold = new_fold()
    slabs_of([LISTED, *others(30), *passed], fold)
    fold.step(passed[0])
    assert fold.inputs is not None
    assert fold.inputs[PLACES[0]].through == 19
    slabs_of([end, *passed], fold)
    assert fold.holding_back() != PLACES[0]


def test_new_cells_are_numbered_in_sorted_order_whoever_saw_them_first() -> None:
    fold = new_fold()
    first = [cut(0, 10, 8, minute(10, m=1, c=1)), cut(1, 10, 9, minute(10, b=1))]
    slabs_of([LISTED, *first, cut(2, 10, 7, minute(10, z=1))], fold)
    assert [cell.region for cell in fold.cells.cells] == ["b", "c", "m", "z"]
    second = [cut(0, 11, 9, minute(11, a=4), since=11), *others(11, 901)]
    (slab,) = slabs_of(second, fold)
    assert [cell.region for cell in fold.cells.cells] == ["b", "c", "m", "z", "a"]
    assert slab.values[:, 0].tolist() == [0, 0, 0, 0, 4]


def test_cells_beyond_the_limit_fall_into_one_overflow_cell() -> None:
    settings = settings_with(limits={"max_cells": 2})
    fold = new_fold(settings)
    parts = [cut(0, 10, 8, minute(10, a=1, b=2, c=4, d=8)), *others(10)]
    (slab,) = slabs_of([LISTED, *parts], fold)
    assert units(slab, fold) == {"a": 1, "b": 2, "(overflow)": 12}
    later = [cut(0, 11, 9, minute(11, d=16, a=32), since=11), *others(11, 901)]
    (slab,) = slabs_of(later, fold)
    assert units(slab, fold) == {"a": 32, "(overflow)": 16}
    assert slab.events == 2


def test_the_feed_sleeps_after_as_many_empty_bins_as_the_horizon() -> None:
    first = [cut(0, 10, 8, minute(10, a=1)), *others(10)]
    pause = [cut(0, 5_000, 9, since=11), *others(5_000, 901)]
    after = [cut(0, 5_001, 10, minute(5_001, a=1), since=5_001), *others(5_001, 902)]
    slabs = slabs_of([LISTED, *first, *pause, *after])
    assert [(slab.bin, slab.events) for slab in slabs] == [
        (10, 1),
        (11, 0),
        (12, 0),
        (13, 0),
        (5_001, 1),
    ]


def test_a_gap_of_a_billion_bins_is_one_step() -> None:
    far = 10**9
    first = [cut(0, 10, 8, minute(10, a=1)), *others(10)]
    pause = [cut(0, far, 9), cut(0, far + 1, 10, minute(far + 1, a=1)), *others(far + 1, 901)]
    slabs = slabs_of([LISTED, *first, *pause])
    assert [slab.bin for slab in slabs] == [10, 11, 12, 13, far + 1]


def test_a_bin_slept_through_that_gets_a_late_record_is_corrected() -> None:
    first = [cut(0, 10, 8, minute(10, a=1)), *others(10)]
    pause = [cut(0, 30, 9, since=11), *others(30, 901)]
    after = [cut(0, 31, 10, minute(29, a=3), minute(31, a=1), since=31), *others(31, 902)]
    slabs = slabs_of([LISTED, *first, *pause, *after])
    assert [(s.bin, s.revision, s.events) for s in slabs[-2:]] == [(29, 1, 1), (31, 0, 1)]


def test_an_idle_partition_holds_nobody_back_and_what_it_has_open_counts() -> None:
    fold = new_fold()
    idle = Idle(*PLACES[0], 8, (minute(10, a=1), minute(11, a=2)))
    slabs = slabs_of([LISTED, idle, *others(10)], fold)
    assert [(slab.bin, units(slab, fold)) for slab in slabs] == [(10, {"a": 1})]
    (slab,) = slabs_of(others(11, 901), fold)
    assert units(slab, fold) == {"a": 2}


def test_a_partition_that_wakes_up_corrects_what_closed_without_it() -> None:
    fold = new_fold()
    idle = Idle(*PLACES[0], 8, (minute(10, a=1),))
    slabs_of([LISTED, idle, *others(10), *others(11, 901)], fold)
    awake = cut(0, 11, 20, minute(10, a=5), minute(11, a=2))
    assert fold.step(awake) == []
    assert fold.holding_back() == PLACES[0]
    slabs = slabs_of([cut(0, 12, 21, since=12), *others(12, 902)], fold)
    assert [(s.bin, s.revision, s.values[0, 0]) for s in slabs] == [
        (10, 1, 5),
        (11, 1, 2),
        (12, 0, 0),
    ]


def test_a_partition_without_a_record_holds_time_back_until_it_ends_or_is_idle() -> None:
    part = cut(0, 10, 8, minute(10, a=1))
    empty = [Cut(*place, 0, -1, 0, ended=True) for place in PLACES[1:]]
    assert slabs_of([LISTED, part]) == []
    assert [slab.bin for slab in slabs_of([LISTED, part, *empty])] == [10]
    quiet = [Idle(*place, 0) for place in PLACES[1:]]
    assert [slab.bin for slab in slabs_of([LISTED, part, *quiet])] == [10]


def test_the_end_of_all_logs_closes_every_bin() -> None:
    rows = [[*warm(600), Row(700, "b")], [], [*warm(660)]]
    slabs = slabs_of(interleaved(cuts(rows), []))
    assert max(slab.bin for slab in slabs) == bin_at(700)
    assert sum(slab.events for slab in slabs if slab.revision == 0) == 13


def test_what_comes_beyond_all_corrections_is_counted_and_changes_nothing() -> None:
    fold = new_fold()
    first = [cut(0, 10, 8, minute(10, a=1)), *others(10)]
    slabs_of([LISTED, *first, cut(0, 40, 9, since=11), *others(40, 901)], fold)
    late = [cut(0, 41, 10, minute(10, a=7), minute(41, a=1), since=41), *others(41, 902)]
    assert [slab.bin for slab in slabs_of(late, fold)] == [41]
    assert fold.beyond_reach == 1


def test_memory_is_bounded_by_how_far_corrections_reach() -> None:
    fold = new_fold()
    fold.step(LISTED)
    for bin_ in range(10, 500):
        slabs_of([cut(0, bin_, bin_, minute(bin_, a=1), since=bin_), *others(bin_, bin_)], fold)
    reach = fold.rules.reach // MINUTE
    assert len(fold.versions) <= reach
    assert len(fold.revisions) <= reach
    assert all(not place.pending for place in (fold.inputs or {}).values())
