"""How far a piece of work is, where nobody sees a bar."""

from __future__ import annotations

import pytest

from tidecast.tools.progress import Lines, count_progress


class Clock:
    """A clock that is set by hand, in seconds."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_log_gets_a_line_every_half_minute_with_the_time_left(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = Clock()
    lines = Lines("backtest", 4_000, "bins", clock=clock)
    for done in range(0, 2_001, 100):
        lines.show(done, done)
        clock.now += 4.0
    assert capsys.readouterr().err.splitlines() == [
        "backtest: 20%, 800 bins, 25/s, 0:02:08 left",
        "backtest: 40%, 1,600 bins, 25/s, 0:01:36 left",
    ]


def test_a_line_tells_no_time_left_where_the_total_is_not_known(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = Clock()
    lines = Lines("record", None, "events", clock=clock)
    clock.now += 60.0
    lines.show(90, 90)
    assert capsys.readouterr().err == "record: 90 events, 2/s\n"


def test_a_rate_is_told_where_it_is_one_a_second_or_more(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = Clock()
    lines = Lines("bursts", 12, "mishaps", clock=clock)
    clock.now += 60.0
    lines.show(3, 3)
    assert capsys.readouterr().err == "bursts: 25%, 3 mishaps, 0:03:00 left\n"


def test_what_an_earlier_run_did_shortens_no_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    lines = Lines("backtest", 10_000, "bins", before=9_000, clock=clock)
    clock.now += 50.0
    lines.show(9_200, 9_200)
    assert capsys.readouterr().err == "backtest: 92%, 9,200 bins, 4/s, 0:03:20 left\n"


def test_the_time_left_is_by_the_pace_of_the_last_minutes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = Clock()
    lines = Lines("backtest", 10_000, "bins", clock=clock)
    for done in (*range(250, 5_001, 250), *range(5_010, 5_501, 10)):  # peers join half way
        clock.now += 10.0
        lines.show(done, done)
    assert (
        capsys.readouterr().err.splitlines()[-1] == "backtest: 55%, 5,490 bins, 1/s, 1:15:10 left"
    )


def test_short_work_writes_nothing_into_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    with count_progress("verify", 3) as advance:
        advance(1)
        advance(2)
    assert capsys.readouterr().err == ""
