"""The course of reading: what is next, what was taken, and what never came."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from faust.types import TP

from tidecast.streams.course import PATIENCE_SECONDS, Course

PLACE = TP("clicks", 0)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def course(clock: Clock) -> Iterator[Course]:
    course = Course(clock)
    course.assigned({PLACE: 100})
    yield course


def test_a_batch_is_next_where_the_one_before_ended(course: Course) -> None:
    assert course.judge(PLACE, 100) == "next"
    course.went_on(PLACE, 130)
    assert course.judge(PLACE, 100) == "old"
    assert course.judge(PLACE, 130) == "next"
    assert course.judge(PLACE, 131) == "hole"


def test_where_nobody_has_seeked_or_the_position_is_unknown_there_is_a_hole(course: Course) -> None:
    assert course.judge(PLACE, None) == "hole"
    course.assigned({PLACE: None})
    assert course.judge(PLACE, 100) == "hole"


def test_the_batches_behind_a_hole_ask_for_one_seek(course: Course, clock: Clock) -> None:
    assert course.may_seek(PLACE, 100)
    assert not course.may_seek(PLACE, 100)
    assert course.may_seek(PLACE, 130)  # another hole
    clock.now += PATIENCE_SECONDS
    assert course.may_seek(PLACE, 130)  # the seek has not helped


def test_what_was_handed_over_and_never_came_is_missing_after_a_while(
    course: Course, clock: Clock
) -> None:
    assert course.missing({PLACE: 130}) == []
    clock.now += PATIENCE_SECONDS
    assert course.missing({PLACE: 130}) == [PLACE]
    assert course.missing({PLACE: 100}) == []


def test_nothing_is_missing_while_it_goes_on(course: Course, clock: Clock) -> None:
    for position in range(101, 130):
        assert course.missing({PLACE: 130}) == []
        clock.now += 0.9 * PATIENCE_SECONDS
        course.went_on(PLACE, position)


def test_what_came_before_a_position_was_known_is_missing_too(course: Course, clock: Clock) -> None:
    course.assigned({PLACE: None})
    assert course.missing({}) == []
    assert course.missing({PLACE: 5}) == []
    clock.now += PATIENCE_SECONDS
    assert course.missing({PLACE: 5}) == [PLACE]
