"""When trees are refitted."""

from __future__ import annotations

from tidecast.models.periodic.schedule import RefitSchedule


def refits(schedule: RefitSchedule, bins: range) -> list[int]:
    found = []
    for bin_ in bins:
        schedule.note(bin_)
        if schedule.due == bin_:
            found.append(bin_ - bins.start + 1)
    return found


def test_gaps_double_until_they_are_the_longest_season() -> None:
    hours, days = RefitSchedule((24, 168)), RefitSchedule((7,))
    assert refits(hours, range(5000, 5800)) == [48, 96, 192, 360, 528, 696]
    assert refits(days, range(0, 100)) == [14, 28, 56, 84]


def test_without_seasons_there_are_refits() -> None:
    assert refits(RefitSchedule(()), range(0, 70)) == [8, 16, 32, 60]


def test_a_refit_that_fell_into_a_gap_is_due_after_it() -> None:
    schedule = RefitSchedule((24, 168))
    assert refits(schedule, range(0, 1)) == []
    assert refits(schedule, range(400, 402)) == [1]
    assert refits(schedule, range(402, 600)) == [167]


def test_a_refit_is_due_until_it_is_made_and_awaited_until_it_is_decided() -> None:
    schedule = RefitSchedule((24, 168))
    refits(schedule, range(0, 50))
    assert (schedule.due, schedule.is_awaited) == (47, True)
    schedule.go_without()
    assert (schedule.due, schedule.is_awaited) == (47, False)
    refits(schedule, range(50, 96))
    assert (schedule.due, schedule.is_awaited) == (95, True)
    schedule.made()
    assert (schedule.due, schedule.is_awaited) == (None, False)


def test_a_restored_schedule_goes_on() -> None:
    one, other = RefitSchedule((24, 168)), RefitSchedule((24, 168))
    refits(one, range(1000, 1100))
    other.restore(one.snapshot())
    assert (other.due, other.is_awaited) == (1095, True)
    assert refits(other, range(1100, 2000)) == refits(one, range(1100, 2000)) != []
