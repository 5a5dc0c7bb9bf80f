"""Refits beside a live forecaster: what is said of them, and when."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence

import pytest
from refits import DUE, FITTED, REFIT, WITHOUT
from tree_worlds import training_rows

from tidecast.models.periodic.artifact import fit
from tidecast.models.periodic.examples import TrainingRows
from tidecast.models.periodic.refits import DueRefit
from tidecast.state.cuts import Refit
from tidecast.state.errors import ServiceError
from tidecast.streams import refit_process
from tidecast.streams.refit_process import fit_apart
from tidecast.streams.refitter import Refitter

FIRST = DueRefit("trees", DUE)
NEXT = DueRefit("trees", DUE + 8)
Artifacts = tuple[bytes, ...]
Fit = Callable[[Sequence[TrainingRows]], Awaitable[Artifacts]]


class Log:
    """Keeps what is said, and fits when it is told to."""

    def __init__(self, patience_seconds: float = 60.0) -> None:
        self.said: list[Refit] = []
        self.cancelled = 0
        self.answer: asyncio.Future[Artifacts] = asyncio.get_running_loop().create_future()
        self.refitter = Refitter(self._say, patience_seconds, self._fit)

    async def _say(self, refit: Refit) -> None:
        self.said.append(refit)

    async def _fit(self, rows: Sequence[TrainingRows]) -> Artifacts:
        try:
            return await asyncio.shield(self.answer)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not is_so():
            await asyncio.sleep(0.001)


def test_what_was_fitted_in_time_is_all_that_is_said() -> None:
    async def run() -> None:
        log = Log()
        log.refitter.begin(FIRST, ())
        await asyncio.sleep(0.01)
        assert log.said == []
        log.answer.set_result((FITTED, b""))
        await until(lambda: bool(log.said))
        await asyncio.sleep(0.01)
        assert log.said == [REFIT]

    asyncio.run(run())


def test_after_some_patience_the_bins_go_on_without_and_what_was_fitted_is_said_later() -> None:
    async def run() -> None:
        log = Log(patience_seconds=0.01)
        log.refitter.begin(FIRST, ())
        await until(lambda: log.said == [WITHOUT])
        log.answer.set_result((FITTED, b""))
        await until(lambda: log.said == [WITHOUT, REFIT])

    asyncio.run(run())


def test_where_a_fit_fails_the_bins_go_on_without(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        log = Log()
        log.refitter.begin(FIRST, ())
        log.answer.set_exception(ServiceError("out of memory"))
        await until(lambda: log.said == [WITHOUT])
        log.refitter.check()

    asyncio.run(run())
    assert "out of memory" in caplog.text


def test_what_is_due_next_takes_the_place_of_what_is_not_done() -> None:
    async def run() -> None:
        log = Log()
        log.refitter.begin(FIRST, ())
        await asyncio.sleep(0.01)
        log.refitter.begin(NEXT, ())
        assert log.refitter.due == NEXT
        await until(lambda: log.cancelled == 1)
        log.answer.set_result((b"", b""))
        await until(lambda: log.said == [Refit("trees", DUE + 8, (b"", b""))])
        log.refitter.begin(None, ())
        log.refitter.check()

    asyncio.run(run())


def test_a_decision_that_could_not_be_written_is_an_error() -> None:
    async def broken(refit: Refit) -> None:
        raise ConnectionError("the broker is away")

    async def fitted(rows: Sequence[TrainingRows]) -> Artifacts:
        return (b"",)

    async def run() -> None:
        refitter = Refitter(broken, 60.0, fitted)
        refitter.begin(FIRST, ())
        await asyncio.sleep(0.05)
        with pytest.raises(ConnectionError, match="broker is away"):
            refitter.check()

    asyncio.run(run())


def test_a_process_apart_fits_what_would_be_fitted_here_to_the_byte() -> None:
    rows = (training_rows(2000), training_rows(10), training_rows(2000, seed=1))
    assert asyncio.run(fit_apart(rows)) == tuple(map(fit, rows))


def test_a_process_that_fails_is_told_with_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refit_process, "_packed", lambda rows: b"no rows")
    with pytest.raises(ServiceError, match="ended with code 1"):
        asyncio.run(fit_apart(()))


def test_a_process_that_cannot_be_started_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(ServiceError, match="can be started"):
        asyncio.run(fit_apart(()))


def test_a_fit_that_is_given_up_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    processes = []
    start = asyncio.create_subprocess_exec

    async def kept(*_: str, **options: object) -> asyncio.subprocess.Process:
        command = (sys.executable, "-c", "import time; time.sleep(600)")
        processes.append(await start(*command, **options))  # type: ignore[arg-type]
        return processes[-1]

    async def run() -> None:
        monkeypatch.setattr(asyncio, "create_subprocess_exec", kept)
        fitting = asyncio.ensure_future(fit_apart(()))
        await until(lambda: bool(processes))
        fitting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fitting
        assert await processes[0].wait() == -9

    asyncio.run(run())


def test_a_process_whose_worker_has_died_ends() -> None:
    command = [sys.executable, "-m", "tidecast.streams.refit_process"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.close()
    process.stdin.write(refit_process._packed((training_rows(1000),)))
    process.stdin.close()
    assert process.wait(120) != 0
