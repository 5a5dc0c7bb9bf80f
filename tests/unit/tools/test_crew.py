"""What ``worker all`` does when one of its workers ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tidecast.tools.crew import FOR_A_PERSON, Crew, Member


def member(code: str) -> Member:
    """Return a member whose process runs Python ``code``."""
    return Member("ingest", [sys.executable, "-c", code], {}, 0)


def ended(one: Member) -> None:
    """Start what is due and wait for its end."""
    assert one.look(time.monotonic()) is None
    assert one.process is not None
    one.process.wait(30)


@pytest.mark.parametrize("code", ["1", "4", "0", "143"])
def test_a_worker_that_ends_by_accident_is_started_again_after_a_wait(code: str) -> None:
    one = member(f"raise SystemExit({code})")
    ended(one)
    now = time.monotonic()
    assert one.look(now) is None
    assert one.process is None
    assert one.look(one.due - 0.01) is None
    assert one.process is None  # not yet
    one.look(one.due)
    assert isinstance(one.process, subprocess.Popen)
    one.process.wait(30)


def test_a_worker_that_is_killed_is_started_again() -> None:
    one = member("import os; os.kill(os.getpid(), 9)")
    ended(one)
    assert one.look(time.monotonic()) is None
    assert one.process is None


def test_waits_grow_while_a_worker_keeps_ending() -> None:
    one = member("raise SystemExit(4)")
    waits = []
    for _ in range(4):
        one.due = 0.0
        ended(one)
        now = time.monotonic()
        one.look(now)
        waits.append(one.due - now)
    assert waits == sorted(waits)
    assert waits[-1] > 2 * waits[0]


@pytest.mark.parametrize("code", sorted(FOR_A_PERSON))
def test_a_code_that_a_person_must_see_is_not_tried_again(code: int) -> None:
    one = member(f"raise SystemExit({code})")
    ended(one)
    assert one.look(time.monotonic()) == code


def test_the_codes_for_a_person_are_the_documented_ones() -> None:
    assert sorted(FOR_A_PERSON) == [2, 3, 5, 6]


def test_a_worker_stops_when_nobody_holds_the_other_end_of_its_lifeline_any_more() -> None:
    end, held = os.pipe()
    code = f"import time; from tidecast.tools.crew import stop_with; stop_with({end}); "
    code += "print('up', flush=True); time.sleep(600)"
    with subprocess.Popen(
        [sys.executable, "-c", code], pass_fds=(end,), stdout=subprocess.PIPE
    ) as process:
        os.close(end)
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        assert process.poll() is None
        os.close(held)
        assert process.wait(30) == -signal.SIGTERM


def test_each_role_has_a_port_of_its_own() -> None:
    members = Crew(Path("tidecast.toml"), None, 9100).members
    assert [one.environment["TIDECAST_METRICS__PORT"] for one in members] == [
        "9100",
        "9101",
        "9102",
    ]
    members = Crew(Path("tidecast.toml"), None, 0).members
    assert [one.environment for one in members] == [{}, {}, {}]
