"""A command in a process of its own."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time

import pytest

from tidecast.state.errors import ServiceError
from tidecast.streams.aside import run_aside

PATIENCE_SECONDS = 60.0


def program(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def is_gone(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return True
    return False


def test_each_line_is_heard_as_it_comes() -> None:
    heard: list[bytes] = []
    asyncio.run(run_aside(program("print('one'); print('two')"), heard.append))
    assert heard == [b"one\n", b"two\n"]


def test_a_line_of_any_length_is_heard_and_one_without_an_end() -> None:
    heard: list[bytes] = []
    code = "print('a' * 1_000_000); print('b', end='')"
    asyncio.run(run_aside(program(code), heard.append))
    assert heard == [b"a" * 1_000_000 + b"\n", b"b"]


def test_one_that_fails_or_cannot_be_started_is_an_error() -> None:
    with pytest.raises(ServiceError, match="ended with code 3"):
        asyncio.run(run_aside(program("raise SystemExit(3)"), print))
    with pytest.raises(ServiceError, match="no-such-program cannot be started"):
        asyncio.run(run_aside(["/no-such-program"], print))


def test_it_is_killed_when_we_are_cancelled() -> None:
    heard: list[bytes] = []

    async def run() -> None:
        code = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
        running = asyncio.ensure_future(run_aside(program(code), heard.append))
        while not heard:
            await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.wait({running})
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_gone(int(heard[0])):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)

    asyncio.run(run())


def test_its_lifeline_is_cut_when_we_are_killed() -> None:
    waits = "import os, sys; print(os.getpid(), flush=True); sys.stdin.read()"
    ours = (
        "import asyncio, sys\n"
        "from tidecast.streams.aside import run_aside\n"
        "hear = lambda line: print(line.decode(), end='', flush=True)\n"
        f"asyncio.run(run_aside([sys.executable, '-c', {waits!r}], hear))\n"
    )
    with subprocess.Popen(program(ours), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        number = int(process.stdout.readline())
        assert not is_gone(number)
        process.kill()
        process.wait()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_gone(number):
            assert time.monotonic() < deadline
            time.sleep(0.01)
