"""One source partition's fold: records in, cuts out."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from partitions import (
    FAR,
    SECOND,
    START,
    WARM_UP,
    Row,
    bin_at,
    fold,
    last_versions,
    partition,
    recount,
    shown,
    step,
    sums_of,
    warm,
)

from tidecast.state.checkpoint import pack, unpack
from tidecast.state.cuts import Cut
from tidecast.state.partition import Outcome

YEAR_2099 = Row((FAR - START) / SECOND)

regions = st.sampled_from("abc")
steps_ = st.sampled_from([0, 0, 1, 5, 20, 45, 70, 400, 1_500])  # seconds on
delays = st.sampled_from([0, 0, 0, 5, 30, 100, 240, 1_000])  # in order, disordered, late, too late
odd = st.sampled_from(["fine"] * 12 + ["far", "far", "gap", "broken"])


@st.composite
def logs(draw: st.DrawFn, warmed: bool = False) -> list[Row]:
    """Draw the log of a partition with all that may be wrong with one."""
    rows = [*warm(2_900), Row(3_000)] if warmed else []  # a bin's width: believed
    now = 3_000
    for region, on, delay, what in draw(
        st.lists(st.tuples(regions, steps_, delays, odd), min_size=1, max_size=40)
    ):
        now += on
        if what == "gap":
            now += 7_200  # more than max_gap
        at = now - delay if what != "far" else YEAR_2099.at + delay
        rows.append(Row(at, region, delay + 1, what == "broken"))
    return rows


stops_ = st.lists(st.integers(0, 46), max_size=8)


def cut_at(outcome: Outcome, boundary: int) -> Cut:
    (found,) = [cut for cut in outcome.cuts if cut.boundary == boundary and not cut.ended]
    return found


@given(logs(), stops_)
def test_cuts_are_the_same_whatever_the_batches(rows: list[Row], stops: list[int]) -> None:
    stops = [min(stop, len(rows)) for stop in stops]
    assert shown(fold(rows, stops)) == shown(fold(rows))


@given(logs())
def test_cuts_are_the_same_record_by_record(rows: list[Row]) -> None:
    assert shown(fold(rows, range(1, len(rows)))) == shown(fold(rows))


@given(logs(), stops_)
def test_a_partition_restored_anywhere_gives_the_same_cuts(
    rows: list[Row], stops: list[int]
) -> None:
    stops = [min(stop, len(rows)) for stop in stops]
    assert shown(fold(rows, stops, reborn=True)) == shown(fold(rows))


@given(logs())
def test_every_record_is_accepted_or_late_or_refused_once(rows: list[Row]) -> None:
    outcome = fold(rows)
    out = [rejected.offset for rejected in (*outcome.late, *outcome.refused)]
    assert len(out) == len(set(out))
    assert outcome.accepted + len(out) == len(rows)


@given(logs())
def test_the_last_versions_of_bins_hold_every_accepted_record(rows: list[Row]) -> None:
    outcome = fold(rows)
    out = {rejected.offset for rejected in (*outcome.late, *outcome.refused)}
    accepted = [row for offset, row in enumerate(rows) if offset not in out]
    assert {b: sums_of(part) for b, part in last_versions(outcome.cuts)} == recount(accepted)


@given(logs(warmed=True))
def test_a_cut_holds_its_bins_whole_as_of_the_records_before_its_offset(rows: list[Row]) -> None:
    rows = [row for row in rows if row.at < YEAR_2099.at]
    outcome = fold(rows, max_gap=10**15)  # no record is held
    out = {rejected.offset for rejected in (*outcome.late, *outcome.refused)}
    for cut in outcome.cuts:
        before = [row for offset, row in enumerate(rows[: cut.upto]) if offset not in out]
        true = recount(before)
        for part in cut.bins:
            assert sums_of(part) == true[part.bin]


@given(logs())
def test_cuts_follow_each_other_without_hole_or_overlap(rows: list[Row]) -> None:
    cuts = fold(rows).cuts
    for one, next_ in pairwise(cuts):
        assert next_.since == one.boundary + 1
        assert next_.upto >= one.upto
        assert next_.boundary >= one.boundary
        assert all(part.bin <= next_.boundary for part in next_.bins)
    assert [cut.ended for cut in cuts] == [False] * (len(cuts) - 1) + [True]


@given(logs())
def test_a_watermark_never_reverses(rows: list[Row]) -> None:
    state, last = partition(), None
    for row in rows:
        step(state, [row])
        now = state.watermark
        assert last is None or (now is not None and now >= last)
        last = now


def test_the_record_that_passes_a_boundary_cuts_the_bin_and_is_not_in_it() -> None:
    outcome = fold([*warm(0), Row(30, "b", 7), Row(69, "a"), Row(70, "c")])
    cut = cut_at(outcome, bin_at(0))
    assert cut.upto == 8  # 70 s is max_disorder after the end of the first minute
    assert [sums_of(part) for part in cut.bins] == [{"a": (6, 6), "b": (1, 7)}]


def test_a_late_record_within_the_allowed_lateness_corrects_its_bin_whole() -> None:
    outcome = fold([*warm(0), Row(75), Row(20, "b", 5), Row(131)])
    cut = cut_at(outcome, bin_at(60))
    assert [(part.bin, sums_of(part)) for part in cut.bins] == [
        (bin_at(0), {"a": (6, 6), "b": (1, 5)}),
        (bin_at(60), {"a": (1, 1)}),
    ]
    assert outcome.late == []


def test_of_several_boundaries_passed_at_once_a_correction_carries_the_first() -> None:
    outcome = fold([*warm(0), Row(75), Row(20, "b"), Row(130), Row(400)])
    first = cut_at(outcome, bin_at(60))
    assert [part.bin for part in first.bins] == [bin_at(0), bin_at(60)]
    assert [part.bin for part in cut_at(outcome, bin_at(120)).bins] == [bin_at(120)]


def test_a_record_is_too_late_once_its_bin_ended_longer_ago_than_allowed() -> None:
    # the bin of 0 s ends at 60 s and is open to corrections until the watermark is at 240 s
    in_time = fold([*warm(0), Row(249), Row(20, "b")])
    too_late = fold([*warm(0), Row(250), Row(20, "b")])
    assert [r.offset for r in in_time.late] == []
    assert [(r.offset, r.reason.partition(":")[0]) for r in too_late.late] == [(7, "late")]
    assert too_late.late[0].raw == repr(Row(20, "b")).encode()


@pytest.mark.parametrize("place", range(WARM_UP + 3))
def test_one_record_of_2099_moves_nobodys_time_wherever_it_stands(place: int) -> None:
    rows = [*warm(0), Row(30), Row(75), Row(140), Row(200)]
    poisoned = [*rows[:place], YEAR_2099, *rows[place:]]
    outcome, clean = fold(poisoned), fold(rows)
    assert [(r.offset, r.reason.partition(":")[0]) for r in outcome.refused] == [
        (place, "time_jump")
    ]
    assert outcome.late == []
    assert [(c.since, c.boundary) for c in outcome.cuts] == [
        (c.since, c.boundary) for c in clean.cuts
    ]
    assert {b: sums_of(p) for b, p in last_versions(outcome.cuts)} == recount(rows)


def test_records_of_2099_among_every_few_good_ones_move_nobodys_time() -> None:
    rows = [row for n in range(40) for row in (Row(n), Row(n), Row(n), YEAR_2099)]
    outcome = fold([*warm(0), *rows])
    assert len(outcome.refused) == 40
    assert {b for b, _ in last_versions(outcome.cuts)} == {bin_at(0)}


def test_records_far_ahead_must_agree_in_a_row_to_move_time() -> None:
    far = [YEAR_2099, YEAR_2099, YEAR_2099, Row(1)] * 3
    outcome = fold([*warm(0), *far, *[Row(2)] * 6])
    assert len(outcome.refused) == 9
    assert [b for b, _ in last_versions(outcome.cuts)] == [bin_at(0)]


def test_a_real_gap_longer_than_max_gap_passes_as_one_empty_stretch() -> None:
    week = 7 * 86_400
    after = [Row(week + n, "b") for n in range(8)]
    outcome = fold([*warm(0), Row(75), *after])
    assert outcome.refused == outcome.late == []
    stretch = [cut for cut in outcome.cuts if cut.boundary - cut.since > 1]
    assert len(stretch) == 1
    assert stretch[0].boundary == bin_at(week - 120)
    assert [part.bin for part in stretch[0].bins] == []
    assert {b: sums_of(p) for b, p in last_versions(outcome.cuts)} == recount(
        [*warm(0), Row(75), *after]
    )


def test_a_gap_within_max_gap_is_one_step_too() -> None:
    outcome = fold([*warm(0), Row(3_000)])
    assert [(c.since, c.boundary) for c in outcome.cuts if not c.ended] == [
        (bin_at(-60), bin_at(0)),  # 10 s before the first record is where its watermark begins
        (bin_at(60), bin_at(2_880)),
        (bin_at(2_940), bin_at(3_000)),
    ]


def test_the_end_of_the_log_closes_everything() -> None:
    outcome = fold([*warm(0), Row(75, "b"), Row(10, "c")])
    assert {b: sums_of(p) for b, p in last_versions(outcome.cuts)} == {
        bin_at(0): {"a": (6, 6), "c": (1, 1)},
        bin_at(75): {"b": (1, 1)},
    }
    assert outcome.cuts[-1].ended
    assert outcome.cuts[-1].boundary == bin_at(75)


def test_a_log_shorter_than_its_warm_up_counts_when_it_ends() -> None:
    outcome = fold([Row(0), Row(1, "b"), YEAR_2099])
    assert outcome.accepted == 2
    assert [r.offset for r in outcome.refused] == [2]


def test_an_empty_log_ends_without_a_bin() -> None:
    (cut,) = fold([]).cuts
    assert cut.ended
    assert cut.boundary < cut.since
    assert cut.bins == ()


def test_a_log_may_go_on_after_its_end() -> None:
    state = partition()
    outcome = step(state, [*warm(0), Row(30)])
    outcome.add(state.end(state.next_offset))
    outcome.add(step(state, [Row(45, "b"), Row(75), Row(135)]))
    outcome.add(state.end(state.next_offset))
    rows = [*warm(0), Row(30), Row(45, "b"), Row(75), Row(135)]
    assert {b: sums_of(p) for b, p in last_versions(outcome.cuts)} == recount(rows)
    assert outcome.accepted == len(rows)


def test_an_idle_partition_says_all_that_it_has_open() -> None:
    state = partition()
    step(state, [*warm(0), Row(75, "b", 4)])
    idle = state.idle()
    assert idle.upto == 7
    assert {part.bin: sums_of(part) for part in idle.bins} == {
        bin_at(0): {"a": (6, 6)},
        bin_at(75): {"b": (1, 4)},
    }


def test_an_empty_batch_changes_nothing() -> None:
    state = partition()
    step(state, warm(0))
    before = pack(*state.snapshot())
    assert shown(step(state, [])) == ([], [], [], 0, 0)
    assert pack(*state.snapshot()) == before


def test_sums_beyond_what_a_float_can_hold_are_exact() -> None:
    large = 10**12
    rows = [*warm(0), *[Row(1, "b", large)] * 20_000, Row(2, "b", 1)]
    sums = dict(last_versions(fold(rows).cuts))[bin_at(0)]
    assert sums_of(sums)["b"] == (20_001, 20_000 * large + 1)


def test_cells_beyond_the_limit_are_counted_in_one_overflow_cell() -> None:
    rows = [*warm(0), *(Row(1, f"r{n}") for n in range(10))]
    sums = dict(last_versions(fold(rows, max_cells=3).cuts))[bin_at(0)]
    assert sums_of(sums) == {"a": (6, 6), "r0": (1, 1), "r1": (1, 1), "(overflow)": (8, 8)}


def test_memory_is_bounded_by_open_bins() -> None:
    state = partition()
    step(state, [Row(n) for n in range(0, 20_000, 7)])
    assert len(state.open) <= 3 + 2  # the allowed lateness in bins, and what is being filled
    saved = partition()
    saved.restore(*unpack(pack(*state.snapshot())))
    assert saved.open.keys() == state.open.keys()
    assert saved.watermark == state.watermark == START + (19_999 // 7 * 7) * SECOND - 10 * SECOND


def test_more_lateness_after_a_restart_opens_no_bin_again_that_was_dropped() -> None:
    state = partition()
    step(state, [*warm(0), Row(300)])  # the bin of 0 s is dropped, that of 120 s is not
    saved = pack(*state.snapshot())
    lenient = partition(allowed_lateness=3_600 * SECOND)
    lenient.restore(*unpack(saved))
    outcome = step(lenient, [Row(0), Row(120), Row(400)])
    assert [rejected.offset for rejected in outcome.late] == [7]
    assert [part.bin for cut in outcome.cuts for part in cut.bins] == [bin_at(120), bin_at(300)]


def ids_of(*ids: int, at: float = 0) -> list[Row]:
    return [Row(at, event_id=id_) for id_ in ids]


@st.composite
def logs_with_ids(draw: st.DrawFn) -> list[Row]:
    """Draw a log in which events come twice, soon or late, with the same time or another."""
    ids = draw(st.lists(st.integers(0, 9), min_size=60, max_size=60))
    return [row._replace(event_id=id_) for row, id_ in zip(draw(logs()), ids, strict=False)]


ID_LIMITS = st.sampled_from([1, 3, 1_000])


@given(logs_with_ids(), stops_, ID_LIMITS)
def test_duplicates_are_the_same_whatever_the_batches_and_restarts(
    rows: list[Row], stops: list[int], limit: int
) -> None:
    stops = [min(stop, len(rows)) for stop in stops]
    whole = shown(fold(rows, max_event_ids=limit))
    assert shown(fold(rows, stops, max_event_ids=limit)) == whole
    assert shown(fold(rows, range(1, len(rows)), max_event_ids=limit)) == whole
    assert shown(fold(rows, stops, reborn=True, max_event_ids=limit)) == whole


@given(logs_with_ids())
def test_every_record_is_accepted_or_late_or_refused_or_a_duplicate(rows: list[Row]) -> None:
    outcome = fold(rows, max_event_ids=5)
    out = len(outcome.late) + len(outcome.refused)
    assert outcome.accepted + outcome.duplicates + out == len(rows)
    counted = sum(int(part.sums[0].sum()) for _, part in last_versions(outcome.cuts))
    assert counted == outcome.accepted


def test_an_event_that_comes_twice_is_counted_once_and_in_no_topic() -> None:
    rows = [*ids_of(1, 2, 3, 4, 5, 6, 2), *ids_of(6, at=75)]
    outcome = fold(rows, max_event_ids=100)
    assert (outcome.accepted, outcome.duplicates) == (6, 2)
    assert outcome.late == outcome.refused == []
    assert {b: sums_of(p) for b, p in last_versions(outcome.cuts)} == {bin_at(0): {"a": (6, 6)}}


def test_a_duplicate_moves_the_watermark_as_any_record() -> None:
    outcome = fold([*ids_of(1, 2, 3, 4, 5, 6), *ids_of(6, at=75)], max_event_ids=100)
    assert cut_at(outcome, bin_at(0)).upto == 6


def test_without_deduplication_events_that_come_twice_count_twice() -> None:
    assert fold(ids_of(1, 1, 1, 1, 1, 1)).accepted == 6


def test_an_id_is_forgotten_once_its_bin_takes_no_more_records() -> None:
    # the bin of 0 s may be corrected until the watermark is at 240 s
    head = [*ids_of(1, 2, 3, 4, 5, 6), Row(75)]
    known = fold([*head, Row(249), *ids_of(6, at=249)], max_event_ids=100)
    forgotten = fold([*head, Row(250), *ids_of(6, at=250)], max_event_ids=100)
    assert (known.duplicates, forgotten.duplicates) == (1, 0)


def test_ids_beyond_the_limit_are_not_remembered_and_counted() -> None:
    state = partition(max_event_ids=2)
    outcome = step(state, [*ids_of(1, 2, 3, 3, 1), Row(60)])
    assert (outcome.accepted, outcome.duplicates, state.unremembered) == (5, 1, 2)
    assert outcome.unremembered == 2
    saved = partition(max_event_ids=2)
    saved.restore(*unpack(pack(*state.snapshot())))
    assert saved.unremembered == 2


def test_a_held_record_keeps_its_id() -> None:
    state = partition(max_event_ids=100)
    step(state, ids_of(1, 2, 1))
    saved = partition(max_event_ids=100)
    saved.restore(*unpack(pack(*state.snapshot())))
    outcome = step(saved, [*ids_of(3, 4, 5), Row(60)])
    assert (outcome.accepted, outcome.duplicates) == (6, 1)


def test_a_topic_made_anew_is_read_from_its_first_record_and_its_cuts_rank_higher() -> None:
    state = partition()
    before = step(state, [*warm(0), Row(75, "b"), Row(100, "b")])
    state.begin_anew()
    assert (state.next_offset, state.base) == (0, 8)
    saved = partition()
    saved.restore(*unpack(pack(*state.snapshot())))
    after = step(saved, [Row(110, "c"), Row(20, "c"), Row(10_000), Row(131, is_broken=True)])
    assert after.refused[0].offset == 3  # its own offset in the new topic
    assert [cut.upto for cut in before.cuts] == [6]
    assert saved.idle().upto == 12
    after.add(step(saved, [Row(135), Row(140)]))
    after.add(saved.end(saved.next_offset))
    assert [cut.upto for cut in after.cuts] == sorted(cut.upto for cut in after.cuts)
    assert min(cut.upto for cut in after.cuts) >= 8
    latest = dict(last_versions([*before.cuts, *after.cuts]))
    assert sums_of(latest[bin_at(0)]) == {"a": (6, 6), "c": (1, 1)}
    assert sums_of(latest[bin_at(75)]) == {"b": (2, 2), "c": (1, 1)}


def test_what_is_held_is_not_in_an_idle_decision_and_is_counted_later() -> None:
    state = partition()
    week = 7 * 86_400
    outcome = step(state, [*warm(0), Row(75), *[Row(week + 30 * n, "b") for n in range(50)]])
    assert bin_at(week) not in {part.bin for part in state.idle().bins}
    outcome.add(step(state, [Row(week + 30 * n, "b") for n in range(50, 130)]))
    assert outcome.accepted == 7 + 130
    assert outcome.refused == []


def test_a_burst_from_a_wrong_clock_between_good_records_changes_no_cut() -> None:
    good = [*warm(0), *(Row(5 * n, "ab"[n % 2]) for n in range(80))]
    burst = [YEAR_2099._replace(units=n) for n in range(1_000)]
    poisoned, clean = fold([*good[:40], *burst, *good[40:]]), fold(good)
    assert len(poisoned.refused) == 1_000
    assert [(c.boundary, [sums_of(p) for p in c.bins]) for c in poisoned.cuts] == [
        (c.boundary, [sums_of(p) for p in c.bins]) for c in clean.cuts
    ]
