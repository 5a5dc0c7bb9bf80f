"""When trees are refitted."""

from __future__ import annotations

from tidecast.models.periodic.schedule import RefitSchedule


def refits(schedule: RefitSchedule, bins: range) -> list[int]:
    return [bin_ - bins.start + 1 for bin_ in bins if schedule.is_due_after(bin_)]


def test_gaps_double_until_they_are_the_longest_season() -> None:
    hours, days = RefitSchedule((24, 168)), RefitSchedule((7,))
    assert refits(hours, range(5000, 5800)) == [48, 96, 192, 360, 528, 696]
    assert refits(days, range(0, 100)) == [14, 28, 56, 84]


def test_without_seasons_there_are_refits() -> None:
    assert refits(RefitSchedule(()), range(0, 70)) == [8, 16, 32, 60]


def test_a_refit_that_fell_into_a_gap_is_due_after_it() -> None:
    schedule = RefitSchedule((24, 168))
    assert not schedule.is_due_after(0)
    assert schedule.is_due_after(400)
    assert not schedule.is_due_after(401)
    assert refits(schedule, range(402, 600)) == [167]


def test_a_restored_schedule_goes_on() -> None:
    one, other = RefitSchedule((24, 168)), RefitSchedule((24, 168))
    refits(one, range(1000, 1100))
    other.restore(one.snapshot())
    assert refits(other, range(1100, 2000)) == refits(one, range(1100, 2000)) != []
