"""Jumps in time: a real gap passes, wrong clocks move nobody's time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import cycle, islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidecast.state import gate as gate_module
from tidecast.state.checkpoint import pack, unpack
from tidecast.state.gate import Gate, Held

HOUR = 3_600
DAY = 24 * HOUR
WEEK, YEAR = 7 * DAY, 365 * DAY
NOON = 20_000 * DAY  # times are whole seconds here, and microseconds for the gate
SECOND = 1_000_000
STEADY = [NOON + 60 * n for n in range(200)]  # a record a minute, for more than three hours

Verdict = tuple[list[int], list[int]]  # the times that acted, those that were refused


def gate(width: int = HOUR) -> Gate:
    """Return a gate for bins of ``width`` seconds."""
    return Gate(max_gap=WEEK * SECOND, max_disorder=60 * SECOND, width=width * SECOND)


def held(offset: int, time: int) -> Held:
    return Held(offset, time * SECOND, offset % 7, np.array([offset]), b"%d" % offset, offset)


class Run:
    """What a gate decides of the records that it is given."""

    def __init__(self, times: Iterable[int] = (), width: int = HOUR) -> None:
        self.gate = gate(width)
        self.offset = 0
        self.decided: list[tuple[Held, bool]] = []
        self.take(times)

    @property
    def high(self) -> int | None:
        return None if self.gate.high is None else self.gate.high // SECOND

    def take(self, times: Iterable[int]) -> Verdict:
        """Give it the next records one by one, and return what they decided."""
        before = len(self.decided)
        for time in times:
            self.decided += self.gate.offer(held(self.offset, time))
            self.offset += 1
        return verdict(self.decided[before:])

    def finish(self) -> Verdict:
        """End the log, and return the verdict on all of it."""
        self.decided += self.gate.finish()
        assert sorted(record.offset for record, _ in self.decided) == list(range(self.offset))
        return verdict(self.decided)


def verdict(decided: Sequence[tuple[Held, bool]]) -> Verdict:
    acted = [record.time // SECOND for record, acts in decided if acts]
    return acted, [record.time // SECOND for record, acts in decided if not acts]


def mixed(*logs: Sequence[int]) -> list[int]:
    """Return one record of each log in turn."""
    return [time for times in zip(*logs, strict=True) for time in times]


def test_a_burst_of_a_thousand_records_a_year_ahead_moves_nobodys_time() -> None:
    run = Run(STEADY)
    assert run.take([NOON + YEAR + n for n in range(1_000)]) == ([], [])
    acted, refused = run.take(time + 4 * HOUR for time in STEADY)
    assert len(acted) == len(STEADY)
    assert len(refused) == 1_000
    assert run.high == STEADY[-1] + 4 * HOUR


def test_a_thousand_records_a_year_ahead_among_good_ones_move_nobodys_time() -> None:
    run = Run(STEADY)
    good = [STEADY[-1] + 10 * n for n in range(1_000)]
    run.take(mixed(good, [time + YEAR for time in good]))
    assert run.high == good[-1]
    assert len(run.gate.held) < 6
    acted, refused = run.finish()
    assert (len(acted), len(refused)) == (1_200, 1_000)


def test_a_wrong_clock_that_runs_on_for_hours_is_not_believed_beside_a_right_one() -> None:
    run = Run(STEADY)
    run.take(time + YEAR for time in STEADY[:59])  # for an hour nobody else says anything
    run.take(mixed([time + 4 * HOUR for time in STEADY], [time + YEAR for time in STEADY]))
    assert run.high == STEADY[-1] + 4 * HOUR


def test_two_clients_with_different_wrong_clocks_do_not_confirm_each_other() -> None:
    run = Run(STEADY)
    one, other = [NOON + YEAR + n for n in range(500)], [NOON + 2 * YEAR + n for n in range(500)]
    assert run.take(mixed(one, other)) == ([], [])
    assert run.take([*one, *other]) == ([], [])
    run.take([STEADY[-1]] * 5)
    assert run.gate.held == []
    assert run.high == STEADY[-1]


def test_a_real_gap_is_believed_once_the_feed_has_gone_on_for_an_hour() -> None:
    run = Run(STEADY)
    later = [time + 60 * DAY for time in STEADY]
    assert run.take(later[:60]) == ([], [])
    assert run.take(later[60:61]) == (later[:61], [])
    assert run.take(later[61:]) == (later[61:], [])


def test_a_real_gap_is_believed_at_once_when_too_many_records_are_held() -> None:
    run = Run(STEADY)
    later = [NOON + 60 * DAY + n // 100 for n in range(gate_module.HELD_RECORDS + 1)]
    assert run.take(later[:-1]) == ([], [])
    assert run.take(later[-1:]) == (later, [])


def test_what_is_held_is_bounded_by_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "HELD_BYTES", 100)  # of up to three bytes each
    run = Run(STEADY[:100])
    run.take(STEADY[100:])
    later = [NOON + 60 * DAY + n for n in range(40)]
    run.take(later)
    assert run.high == later[-1]


def test_records_that_had_witnesses_against_them_are_believed_no_more_for_being_many() -> None:
    run = Run(STEADY)
    run.take([NOON + YEAR] * (gate_module.HELD_RECORDS - 4))
    run.take([STEADY[-1]])
    acted, refused = run.take([NOON + YEAR] * 10)
    assert acted == []
    assert len(refused) == gate_module.HELD_RECORDS - 4
    assert run.high == STEADY[-1]


def test_a_real_gap_is_believed_although_a_clock_is_a_year_ahead_from_its_first_record() -> None:
    run = Run(STEADY)
    later = [time + 60 * DAY for time in STEADY]
    run.take(mixed([time + YEAR for time in later], later))
    assert run.high == later[-1]
    acted, refused = run.finish()
    assert (len(acted), len(refused)) == (400, 200)


def test_a_real_gap_is_believed_although_a_clock_is_a_year_behind() -> None:
    run = Run(STEADY)
    later = [time + 60 * DAY for time in STEADY]
    run.take(mixed(later, [time - YEAR for time in later]))
    assert run.high == later[-1]
    assert run.finish()[1] == []


def test_a_straggler_from_before_the_gap_delays_it_but_costs_no_record() -> None:
    run = Run(STEADY)
    later = [time + 60 * DAY for time in STEADY]
    run.take([*later[:30], STEADY[-1] - 30, *later[30:90]])
    assert run.high == STEADY[-1]
    assert run.take(later[90:]) == (later, [])


def test_a_feed_that_is_slow_after_a_gap_is_believed_within_a_day() -> None:
    run = Run(STEADY)
    slow = [NOON + 60 * DAY + 20 * 60 * n for n in range(80)]
    assert run.take(slow[:72]) == ([], [])
    assert run.take(slow[72:73]) == (slow[:73], [])


def test_a_feed_at_a_quarter_of_its_pace_is_believed_after_an_hour() -> None:
    run = Run(STEADY)
    slow = [NOON + 60 * DAY + 200 * n for n in range(20)]
    assert run.take(slow[:18]) == ([], [])
    assert run.take(slow[18:19]) == (slow[:19], [])


BUSY = [NOON + n // 100 for n in range(12_000)]  # a hundred a second


@pytest.mark.parametrize("pace", [0, 0.001, 0.01, 1, 3.6])
@pytest.mark.parametrize("before", [STEADY, BUSY, [NOON + 5 * n for n in range(3_000)]])
def test_a_thousand_in_a_row_that_a_client_had_kept_are_not_believed_in_bins_of_a_minute(
    before: list[int], pace: float
) -> None:
    run = Run(before, width=60)
    kept = [NOON + YEAR + int(pace * n) for n in range(1_000)]
    assert run.take(kept) == ([], [])
    assert run.take([before[-1]] * 5) == ([before[-1]] * 5, kept)
    assert run.high == before[-1]


def test_more_than_a_thousand_are_believed_once_they_are_as_many_as_in_a_usual_bin() -> None:
    run = Run(BUSY, width=60)
    later = [time + 60 * DAY for time in BUSY]
    assert run.take(later[:6_000]) == ([], [])
    acted, refused = run.take(later[6_000:6_100])
    assert 6_000 < len(acted) <= 6_100
    assert refused == []
    slow = Run(STEADY, width=60)
    later = [NOON + 60 * DAY + n for n in range(1_200)]
    assert slow.take(later[:1_000]) == ([], [])
    assert slow.take(later[1_000:1_001]) == (later[:1_001], [])


def test_a_feed_rarer_than_max_gap_moves_on_a_few_records_behind() -> None:
    rare = [NOON + 10 * DAY * n for n in range(30)]
    run = Run(rare)
    assert run.high == rare[-6]
    assert verdict(run.decided) == (rare[:-5], [])


def test_bad_records_before_any_good_one_do_not_set_the_time() -> None:
    run = Run([NOON + YEAR + n for n in range(1_000)])
    acted, refused = run.take(STEADY)
    assert acted == STEADY
    assert len(refused) == 1_000


def test_good_and_bad_records_mixed_from_the_first_on_are_told_apart() -> None:
    run = Run(mixed([time + YEAR for time in STEADY], STEADY))
    assert run.high == STEADY[-1]
    acted, refused = run.finish()
    assert (acted, len(refused)) == (STEADY, 200)


def test_a_first_record_from_the_past_keeps_nobody_waiting() -> None:
    run = Run([NOON - YEAR, *STEADY])
    assert run.high == STEADY[-1]
    assert verdict(run.decided) == ([NOON - YEAR, *STEADY], [])


def test_records_act_in_offset_order_when_they_are_believed() -> None:
    shuffled = [time + 60 * DAY for time in np.random.default_rng(5).permutation(STEADY).tolist()]
    run = Run(STEADY)
    run.take(shuffled)
    offsets = [record.offset for record, _ in run.decided]
    assert offsets == sorted(offsets)


def test_a_jump_agreed_to_until_the_end_of_the_log_is_believed_there() -> None:
    run = Run(STEADY)
    later = [NOON + 60 * DAY + n for n in range(6)]
    run.take(later)
    assert run.finish() == ([*STEADY, *later], [])


@pytest.mark.parametrize("tail", [[], [STEADY[-1]]])
def test_a_jump_not_agreed_to_until_the_end_of_the_log_is_refused(tail: list[int]) -> None:
    run = Run(STEADY)
    later = [NOON + 60 * DAY + n for n in range(5 if not tail else 50)]
    run.take([*later, *tail])
    assert run.finish() == ([*STEADY, *tail], later)


def test_a_log_too_short_to_know_its_time_has_that_of_its_median() -> None:
    assert Run([NOON, NOON + 5, NOON + YEAR]).finish() == ([NOON, NOON + 5], [NOON + YEAR])


def test_an_empty_gate_has_nothing_to_decide() -> None:
    assert Run().finish() == ([], [])


def test_one_wrong_record_costs_the_same_however_many_are_held() -> None:
    """Each record is looked at a few times, not once for each one held."""
    looks = 0

    class Counted(Gate):
        def _jumps(self, time: int) -> bool:
            nonlocal looks
            looks += 1
            return super()._jumps(time)

    counted = Counted(WEEK * SECOND, 60 * SECOND, HOUR * SECOND)
    times = [*STEADY, *islice(cycle([NOON + YEAR, NOON + 2 * YEAR]), 9_000), *STEADY[-20:]]
    for offset, time in enumerate(times):
        counted.offer(held(offset, time))
    assert looks < 5 * len(times)


kinds = st.sampled_from(["on", "on", "on", "far", "far", "farther", "gap", "behind", "same"])


@st.composite
def logs(draw: st.DrawFn) -> list[int]:
    now, times = NOON, []
    for kind, count, pace in draw(
        st.lists(st.tuples(kinds, st.integers(1, 40), st.integers(0, 900)), min_size=1, max_size=12)
    ):
        now += {"gap": 30 * DAY}.get(kind, 0)
        shift = {"far": YEAR, "farther": 2 * YEAR, "behind": -YEAR}.get(kind, 0)
        for _ in range(count):
            now += 0 if kind == "same" else pace
            times.append(now + shift)
    return times


@given(logs())
def test_every_record_acts_or_is_refused_exactly_once(times: list[int]) -> None:
    acted, refused = Run(times).finish()
    assert sorted([*acted, *refused]) == sorted(times)


@given(logs(), st.integers(0, 480))
def test_a_gate_restored_anywhere_decides_the_same(times: list[int], place: int) -> None:
    run, whole = Run(times[:place]), Run(times)
    values, arrays = unpack(pack(*run.gate.snapshot()))
    run.gate = gate()
    run.gate.restore(values, arrays)
    run.take(times[place:])
    assert run.finish() == whole.finish()
    assert run.high == whole.high


def test_a_restored_gate_counts_witnesses_from_where_each_record_was_held() -> None:
    run = Run(STEADY)
    run.take([NOON + YEAR, *[STEADY[-1]] * 4, NOON + YEAR])
    saved = unpack(pack(*run.gate.snapshot()))
    run.gate = gate()
    run.gate.restore(*saved)
    assert run.take([STEADY[-1]])[1] == [NOON + YEAR]
    assert run.take([STEADY[-1]] * 3)[1] == []
    assert run.take([STEADY[-1]])[1] == [NOON + YEAR]


@given(logs(), st.integers(1, 50))
def test_a_free_run_lets_through_what_would_have_been_let_through_one_by_one(
    times: list[int], size: int
) -> None:
    at_once, one_by_one, at = gate(), Run(times), 0
    acted: list[int] = []
    while at < len(times):
        free = at_once.free_run(np.array(times[at : at + size], np.int64) * SECOND)
        acted += times[at : at + free]
        at += free
        if not free:
            acted += [r.time // SECOND for r, acts in at_once.offer(held(at, times[at])) if acts]
            at += 1
    assert acted == verdict(one_by_one.decided)[0]
    assert at_once.snapshot()[0] == one_by_one.gate.snapshot()[0]
