"""Cuts of many partitions become one sequence of slabs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from partitions import MINUTE, Row, bin_at, recount, warm
from slabs import (
    LISTED,
    PLACES,
    TABLES,
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
from tidecast.state.cuts import BinSums, Cut, Idle, InputMessage, Join, PartitionList
from tidecast.state.settings import Settings
from tidecast.state.slab_fold import SlabFold
from tidecast.state.slabs import LateBins, Slab

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
    (slab,) = slabs_of([cut(2, 12, 7)], fold)
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


def late_of(messages: list[InputMessage], fold: SlabFold) -> list[LateBins]:
    """Return what the messages bring too late."""
    made = [part for message in messages for part in fold.step(message)]
    return [part for part in made if isinstance(part, LateBins)]


def asleep(*bins: BinSums) -> SlabFold:
    """Return a fold whose first partition went idle with ``bins`` open, 30 bins ago."""
    fold = new_fold()
    idle = Idle(*PLACES[0], 9, bins)
    slabs_of([LISTED, cut(0, 10, 8, minute(10, a=1)), idle, *others(10)], fold)
    slabs_of(others(40, 901), fold)
    return fold


def test_what_comes_beyond_all_corrections_is_told_once_and_changes_no_slab() -> None:
    fold = asleep()
    woken = cut(0, 41, 12, minute(11, a=7, b=2), minute(41, a=1), since=11)
    later = [woken, *others(41, 902)]
    assert late_of(later, fold) == [
        LateBins("clicks", 0, 11, 12, 2, (Cell("a", "x"), Cell("b", "x")))
    ]
    assert late_of([*later, cut(0, 42, 13, since=42), *others(42, 903)], fold) == []
    assert fold.beyond_reach == 2
    assert [cell.region for cell in fold.cells.cells] == ["a"]


def test_of_a_bin_that_comes_too_late_only_what_no_slab_holds_is_told() -> None:
    fold = asleep(minute(10, a=1), minute(11, a=1, b=1))
    same, more = minute(10, a=1), minute(11, a=1, b=1, c=1)
    woken = cut(0, 11, 12, same, more, since=11)
    assert late_of([woken], fold) == []
    (late,) = late_of([cut(0, 41, 13, since=12), *others(41, 902)], fold)
    assert (late.bin, late.upto, late.events) == (11, 12, 1)


def test_a_bin_that_comes_too_late_again_and_again_tells_what_is_new_each_time() -> None:
    fold = asleep()
    messages = [
        cut(0, 11, 12, minute(11, a=1)),
        cut(0, 12, 14, minute(11, a=1, b=1), since=12),
        cut(0, 13, 16, minute(11, a=1, b=1, c=1, d=1), since=13),
        cut(0, 41, 18, since=14),
        *others(41, 902),
    ]
    told = [(late.bin, late.upto, late.events) for late in late_of(messages, fold)]
    assert told == [(11, 12, 1), (11, 14, 1), (11, 16, 2)]


def test_what_was_told_of_is_forgotten_with_the_partitions_own_time() -> None:
    fold = asleep(minute(11, a=1))
    slabs_of([cut(1, 41, 902, minute(41, b=1)), cut(2, 41, 902)], fold)
    assert fold.inputs is not None
    assert fold.inputs[PLACES[0]].told == {10: 1, 11: 1}
    slabs_of([cut(0, 42, 12, since=11), *others(42, 903)], fold)
    assert fold.inputs[PLACES[0]].told == {}


def test_a_fold_restored_tells_what_comes_too_late_as_the_one_it_was() -> None:
    messages = [cut(0, 41, 12, minute(11, a=1, b=1, c=1), since=11), *others(41, 902)]
    folds = [asleep(minute(11, a=1)), reborn(asleep(minute(11, a=1)))]
    one, other = (late_of(messages, fold) for fold in folds)
    assert one == other
    assert [late.events for late in one] == [2]


def test_while_every_partition_is_idle_no_open_bin_closes() -> None:
    fold = new_fold()
    silent = [Idle(*place, 990 + n, (minute(11, a=n + 1),)) for n, place in enumerate(PLACES)]
    passed = [cut(0, 10, 8, minute(10, a=1)), *others(10)]
    assert [slab.bin for slab in slabs_of([LISTED, *passed, *silent], fold)] == [10]
    assert fold.next_bin == 11
    (slab,) = slabs_of([cut(0, 11, 999, minute(11, a=5), since=11)], fold)
    assert units(slab, fold) == {"a": 5 + 2}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_what_any_watermark_passed_closes_whoever_becomes_idle_last(
    order: tuple[int, ...],
) -> None:
    fold = new_fold()
    passed = [cut(0, 10, 8, minute(10, a=1)), cut(1, 12, 8), cut(2, 11, 8)]
    silent = [Idle(*PLACES[place], 20) for place in order]
    assert [slab.bin for slab in slabs_of([LISTED, *passed, *silent], fold)] == [10, 11, 12]


def test_partitions_idle_from_the_start_begin_no_time() -> None:
    fold = new_fold()
    silent = [Idle(*place, 2, (minute(50, a=1),)) for place in PLACES]
    assert slabs_of([LISTED, *silent], fold) == []
    awake = [cut(0, 50, 3, minute(40, a=1), minute(50, a=1), since=40)]
    assert slabs_of(awake, fold)[0].bin == 40


FOURTH = ("orders", 1)
JOIN = Join(*FOURTH)


def fourth(boundary: int, upto: int, *bins: BinSums, since: int = 10) -> Cut:
    return Cut(*FOURTH, since, boundary, upto, bins)


def test_slabs_wait_for_a_partition_that_joined_until_it_is_cut_or_idle() -> None:
    before = [LISTED, cut(0, 10, 8, minute(10, a=1)), *others(10), JOIN]
    after = [cut(0, 11, 9, minute(11, a=1), since=11), *others(11, 901)]
    for heard in (fourth(11, 5, since=11), Idle(*FOURTH, 0)):
        fold = new_fold()
        assert [slab.bin for slab in slabs_of([*before, *after], fold)] == [10]
        assert fold.holding_back() == FOURTH
        assert [slab.bin for slab in fold.step(heard)] == [11]


def test_a_join_before_the_list_counts_when_the_list_comes() -> None:
    messages = [JOIN, LISTED, cut(0, 10, 8, minute(10, a=1)), *others(10)]
    fold = new_fold()
    assert slabs_of(messages, fold) == []
    (slab,) = fold.step(fourth(10, 3, minute(10, b=2)))
    assert isinstance(slab, Slab)
    assert slab.events == 2


def test_a_join_of_a_partition_that_is_waited_for_changes_nothing() -> None:
    messages = [cut(0, 10, 8, minute(10, a=1)), Join(*PLACES[0]), *others(10)]
    assert plain_slabs([LISTED, *messages]) == plain_slabs([LISTED, messages[0], *others(10)])
    joined_twice = [LISTED, JOIN, fourth(10, 3, minute(10, b=1)), JOIN, *messages]
    assert [slab.events for slab in slabs_of(joined_twice)] == [2]


def test_a_partition_that_joins_late_corrects_what_is_within_reach_and_tells_the_rest() -> None:
    fold = new_fold()
    passed = [cut(0, 10, 8, minute(10, a=1)), *others(10), cut(0, 30, 9, minute(30, a=1))]
    slabs_of([LISTED, *passed, *others(30, 901), JOIN], fold)
    assert fold.next_bin == 31
    past = [fourth(11, 5, minute(11, a=2)), fourth(30, 7, minute(29, a=3), minute(30, a=4))]
    messages = [*past, fourth(31, 8, since=31), cut(0, 31, 19, since=31), *others(31, 902)]
    made = [part for message in messages for part in fold.step(message)]
    late = [(p.bin, p.partition, p.events) for p in made if isinstance(p, LateBins)]
    assert late == [(11, 1, 1)]
    slabs = [(s.bin, s.revision, s.values[0, 1]) for s in made if isinstance(s, Slab)]
    assert slabs == [(29, 1, 3), (30, 1, 4), (31, 0, 0)]


@given(logs(), st.lists(st.integers(0, 30), min_size=3, max_size=3), turns_, turns_)
def test_with_a_join_too_no_interleaving_on_either_side_of_it_matters(
    rows: list[list[Row]], read: list[int], one: list[int], other: list[int]
) -> None:
    parts = cuts(rows)
    before = [part[:n] for part, n in zip(parts, read, strict=True)]
    joined = [replace(c, source="orders", partition=1) for c in parts[2]]
    after = [*(part[n:] for part, n in zip(parts, read, strict=True)), joined]

    def with_join(turns: list[int]) -> list[InputMessage]:
        rest = [m for m in interleaved(after, turns) if m != LISTED]
        return [*interleaved(before, turns), JOIN, *rest]

    assert plain_parts(with_join(one)) == plain_parts(with_join(other))


def plain_parts(messages: list[InputMessage]) -> list[Any]:
    """Return slabs and what came too late, as something that can be compared."""
    fold = new_fold()
    made = [part for message in messages for part in fold.step(message)]
    return [part if isinstance(part, LateBins) else plain_slab(part) for part in made]


@st.composite
def decided(draw: st.DrawFn) -> list[InputMessage]:
    """Draw a log of cuts with partitions that become idle, one that joins, and lists."""
    parts: list[list[Cut | Idle]] = []
    for part, place in zip(cuts(draw(logs())), PLACES, strict=True):
        heard: list[Cut | Idle] = []
        for number, message in enumerate(part):
            last = part[number - 1].upto if number else -1
            if draw(st.integers(0, 4)) == 0 and last + 1 <= message.upto:
                heard.append(Idle(*place, last + 1, message.bins[:1]))
            heard.append(message)
        parts.append(heard)
    messages = interleaved(parts, draw(turns_), draw(st.integers(0, 20)))
    joined = [JOIN, *(replace(m, source="orders", partition=1) for m in parts[1])]
    at = 0
    for message in joined:
        at = draw(st.integers(at, len(messages)))
        messages.insert(at, message)
        at += 1
    return messages


@given(decided(), st.data())
def test_whatever_is_read_again_at_any_place_changes_nothing(
    messages: list[InputMessage], data: st.DataObject
) -> None:
    again = list(messages)
    sent = st.integers(0, len(messages))
    for stop, start in sorted(
        ((max(run), min(run)) for run in data.draw(st.lists(st.tuples(sent, sent), max_size=4))),
        reverse=True,
    ):
        again[stop:stop] = messages[start:stop]  # a worker starts again from a checkpoint
    for _ in range(data.draw(st.integers(0, 5))):  # and a stale one says single things again
        place = data.draw(st.integers(1, len(again)))
        again.insert(place, again[data.draw(st.integers(0, place - 1))])
    assert plain_parts(again) == plain_parts(messages)


@given(decided())
def test_every_event_is_in_the_last_slab_of_its_bin_or_told_as_too_late(
    messages: list[InputMessage],
) -> None:
    far = bin_at(10**6)
    flush = [Cut(*place, far, far, 10**6) for place in (*PLACES, FOURTH)]
    fold = new_fold()
    made = [part for message in [*messages, *flush] for part in fold.step(message)]
    last = {part.bin: part.events for part in made if isinstance(part, Slab)}
    told = [part.events for part in made if isinstance(part, LateBins)]
    heard: dict[tuple[str, int, int], int] = {}
    for message in messages:
        for sums in message.bins if isinstance(message, Cut | Idle) else ():
            heard[message.source, message.partition, sums.bin] = int(sums.sums[0].sum())
    assert sum(last.values()) + sum(told) == sum(heard.values())


def test_after_a_warm_up_time_cells_and_revisions_start_where_the_log_ended() -> None:
    fold = new_fold()
    ends = [Cut(*place, 11, 10, 20, ended=True) for place in PLACES]
    slabs_of([LISTED, cut(0, 10, 8, minute(10, a=1)), *others(10), *ends], fold)
    fold.end_warm_up()
    fold = reborn(fold)
    assert fold.next_bin == 11
    live = [LISTED, cut(0, 11, 3, minute(11, a=1, b=2), since=11), *others(11, 5)]
    (slab,) = slabs_of(live, fold)
    assert (slab.bin, slab.revision, units(slab, fold)) == (11, 0, {"a": 1, "b": 2})


def test_live_events_of_bins_of_the_warm_up_are_told_as_too_late_and_counted_nowhere() -> None:
    fold = new_fold()
    slabs_of([LISTED, cut(0, 10, 8, minute(10, a=1)), *others(10)], fold)
    fold.end_warm_up()
    live = [LISTED, cut(0, 10, 3, minute(10, a=1)), *others(10, 5)]
    assert [part for message in live for part in fold.step(message)] == []
    made = [
        part
        for message in [cut(0, 11, 6, minute(11, a=1), since=11), *others(11, 7)]
        for part in fold.step(message)
    ]
    assert isinstance(made[0], LateBins)
    assert (made[0].bin, made[0].events) == (10, 1)
    assert [(s.bin, s.revision) for s in made[1:] if isinstance(s, Slab)] == [(11, 0)]


def test_time_comes_to_the_end_of_a_gap_without_a_slab() -> None:
    fold = new_fold()
    slabs_of([LISTED, cut(0, 10, 8, minute(10, a=1)), *others(10)], fold)
    slabs_of([cut(0, 90_000, 9, since=11), *others(90_000, 901)], fold)
    assert fold.next_bin == 90_001


def test_memory_is_bounded_by_how_far_corrections_reach() -> None:
    fold = new_fold()
    fold.step(LISTED)
    for bin_ in range(10, 500):
        slabs_of([cut(0, bin_, bin_, minute(bin_, a=1), since=bin_), *others(bin_, bin_)], fold)
    reach = fold.rules.reach // MINUTE
    assert len(fold.versions) <= reach
    assert len(fold.revisions) <= reach
    assert all(not place.pending for place in (fold.inputs or {}).values())


def marked_settings() -> Settings:
    series = [dict(each) for each in TABLES["series"]]
    series[1]["censored_by"] = {"stream": "click", "kinds": ["cart"]}
    return settings_with(series=series)


def clicks_of(bin_: int, **marks: int) -> BinSums:
    """Return what clicks add to the bin: region = carts, and as much value."""
    cells = CellIndex(99, [Cell(region, "x") for region in marks])
    counts = list(marks.values())
    return BinSums.of(bin_, cells, np.array([[1] * len(marks), counts, counts]))


def test_marks_of_one_source_censor_the_series_of_another_and_corrections_change_them() -> None:
    fold = new_fold(marked_settings())
    messages: list[InputMessage] = [LISTED, *others(10, 1), cut(0, 10, 1, clicks_of(10, a=1, b=0))]
    (slab,) = slabs_of(messages, fold)
    assert slab.censored is not None
    assert slab.censored.tolist() == [[False, True], [False, False]]  # (cell, series)
    assert np.isnan(slab.demand[0, 1])
    late = cut(0, 11, 2, clicks_of(10, b=2, a=0), clicks_of(11, a=0), since=11)
    corrected, following = slabs_of([*others(11, 2), late], fold)
    assert (corrected.bin, corrected.revision) == (10, 1)
    assert corrected.censored is not None
    assert corrected.censored.tolist() == [[False, False], [False, True]]
    assert following.censored is None


def test_marks_outlive_a_checkpoint() -> None:
    fold = new_fold(marked_settings())
    list(slabs_of([LISTED, *others(10, 1), cut(0, 10, 1, clicks_of(10, a=1))], fold))
    later = reborn(fold, marked_settings())
    again = cut(0, 11, 2, clicks_of(11, b=3), since=11)
    order = cut(2, 11, 2, minute(10, a=1), since=11)  # a late order corrects the marked bin
    corrected, _ = slabs_of([cut(1, 11, 2), order, again], later)
    assert corrected.censored is not None
    assert corrected.censored[0].tolist() == [False, True]
