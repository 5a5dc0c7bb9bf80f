"""How the shell drives a role: steps go on beside a save, and the last save is whole."""

from __future__ import annotations

import asyncio
import logging
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from aiokafka.errors import KafkaError
from faust.types import TP

from tidecast import tools
from tidecast.state.errors import ServiceError
from tidecast.state.partition import Batch
from tidecast.streams import app as module
from tidecast.streams import course
from tidecast.streams.app import Shell
from tidecast.streams.role import Save, Waiting
from tidecast.streams.transport import Fetched

PLACE = TP("cuts", 0)
EXAMPLE = Path(str(tools.__file__)).with_name("example.toml")


class CountingRole:
    """Counts the batches it takes; a save ends when it is allowed to."""

    name = "forecast"
    groups: Mapping[str, Sequence[str]] = {"forecast": ["cuts"]}
    checkpoint_seconds = 0.01
    trouble: str | None = None

    def __init__(self) -> None:
        self.taken = 0
        self.offsets: list[int] = []
        self.positions: dict[TP, int] = {PLACE: 0}
        self.begun: list[int] = []
        self.written: list[int] = []
        self.may_write = asyncio.Event()
        self.error: Exception | None = None
        self.may_send = asyncio.Event()
        self.may_send.set()

    async def open(self, assigned: Sequence[TP]) -> dict[TP, int]:
        return self.positions

    async def take(self, tp: TP, batch: Batch) -> AsyncIterator[Waiting]:
        self.taken += 1
        self.offsets += batch.offsets.tolist()
        await self.may_send.wait()
        yield None

    async def idle(self) -> None: ...

    async def checkpoint(self) -> Save:
        self.begun.append(self.taken)
        return self._save(self.taken)

    async def _save(self, position: int) -> dict[TP, int]:
        await self.may_write.wait()
        if self.error is not None:
            raise self.error
        self.written.append(position)
        return {PLACE: position}


class FakeApp:
    """As much of a Faust app as a shell needs."""

    def __init__(self) -> None:
        self.should_stop = False
        self.consumer_generation_id = 1
        self.failure: Exception | None = None
        self.tasks: list[Callable[[], Awaitable[None]]] = []
        self.committed: list[dict[TP, int]] = []
        self.on_rebalance_complete = self.on_partitions_revoked = self
        self.sought: list[dict[TP, int]] = []
        self.consumer = SimpleNamespace(
            safe={},
            positions={},
            handed={},
            assignment=lambda: {PLACE},
            commit=self._commit,
            go_to=self._go_to,
            starting_point=self._starting_point,
            reach=self._reach,
            lost=lambda: None,
        )

    async def _commit(self) -> None:
        self.committed.append(dict(self.consumer.safe))

    async def _go_to(self, positions: dict[TP, int]) -> None:
        self.sought.append(positions)

    async def _starting_point(self, tp: TP) -> int:
        return 3

    async def _reach(self, tps: Sequence[TP]) -> dict[TP, int]:
        return {}

    def agent(self, *_: Any, **__: Any) -> Callable[[Any], Any]:
        return lambda run: run

    def topic(self, *_: Any, **__: Any) -> None: ...

    def task(self, work: Callable[[], Awaitable[None]]) -> None:
        self.tasks.append(work)

    def connect(self, *_: Any, **__: Any) -> None: ...


def event(since: int | None, *offsets: int) -> Any:
    """Return the event of a batch that was read from ``since``."""
    batch = Batch(np.array(offsets, np.int64), [b""] * len(offsets))
    message = SimpleNamespace(tp=PLACE, generation_id=1)
    return SimpleNamespace(message=message, value=Fetched(since, batch))


class Stream:
    """A stream of ever more messages, one after the other while ``is_on``."""

    def __init__(self) -> None:
        self.is_on = True

    def noack(self) -> Stream:
        return self

    async def events(self) -> AsyncIterator[Any]:
        for offset in count():
            if not self.is_on:
                break
            yield event(offset, offset)
            await asyncio.sleep(0.001)


class Driven:
    """A shell at work."""

    def __init__(self) -> None:
        self.app, self.role, self.stream = FakeApp(), CountingRole(), Stream()
        self.shell = Shell(self.app, self.role)

    async def until(self, done: Callable[[], bool]) -> None:
        """Wait until ``done``; fail after a generous while."""
        async with asyncio.timeout(60):
            while not done():
                await asyncio.sleep(0.001)

    async def do(self, work: Callable[[Driven], Awaitable[None]]) -> None:
        """Do ``work`` while the shell drives its role."""
        await self.shell._assigned()
        tasks = [asyncio.create_task(task()) for task in self.app.tasks[:1]]  # type: ignore[arg-type]
        tasks.append(asyncio.create_task(self.shell._run(self.stream)))
        try:
            await work(self)
        finally:
            self.stream.is_on, self.app.should_stop = False, True
            self.role.may_write.set()
            await asyncio.gather(*tasks)


def drive(work: Callable[[Driven], Awaitable[None]]) -> None:
    async def whole() -> None:
        await Driven().do(work)

    asyncio.run(whole())


def test_steps_go_on_beside_a_save_and_no_other_save_begins() -> None:
    async def work(it: Driven) -> None:
        await it.until(lambda: bool(it.role.begun))
        before = it.role.taken
        await it.until(lambda: it.role.taken > before + 50)
        assert len(it.role.begun) == 1
        assert it.app.consumer.safe == {}
        it.role.may_write.set()
        await it.until(lambda: len(it.role.written) > 2)
        assert it.role.written == it.role.begun[: len(it.role.written)]

    drive(work)


def test_what_may_be_committed_is_the_position_of_the_copy_and_not_of_its_end() -> None:
    async def work(it: Driven) -> None:
        await it.until(lambda: bool(it.role.begun))
        await it.until(lambda: it.role.taken > it.role.begun[0] + 5)
        it.app.should_stop = True
        it.role.may_write.set()
        await it.until(lambda: bool(it.app.consumer.safe))
        assert it.app.consumer.safe == {PLACE: it.role.begun[0]}

    drive(work)


def test_partitions_are_given_up_after_a_last_save_behind_the_one_under_way() -> None:
    async def work(it: Driven) -> None:
        await it.until(lambda: bool(it.role.begun))
        revoked = asyncio.create_task(it.shell._revoked())
        await it.until(it.shell._turn.locked)
        await asyncio.sleep(0.05)
        assert not revoked.done()
        it.role.may_write.set()
        await revoked
        assert it.role.written == it.role.begun
        assert len(it.role.written) == 2
        assert it.app.consumer.safe == {PLACE: it.role.taken}
        await asyncio.sleep(0.05)
        assert it.app.consumer.safe == {PLACE: it.role.taken}

    drive(work)


def test_a_save_that_does_not_end_is_given_up_with_the_partitions(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "LAST_SECONDS", 0.05)

    async def work(it: Driven) -> None:
        await it.until(lambda: bool(it.role.begun))
        await it.shell._revoked()
        it.role.may_write.set()
        await asyncio.sleep(0.05)
        assert it.role.written == []
        assert it.app.consumer.safe == {}

    with caplog.at_level(logging.WARNING):
        drive(work)
    assert "the one before counts" in caplog.text


def test_a_save_that_ends_under_another_generation_lets_nothing_be_committed() -> None:
    async def work(it: Driven) -> None:
        await it.until(lambda: bool(it.role.begun))
        it.app.consumer_generation_id = 2
        it.app.should_stop = True
        it.role.may_write.set()
        await it.until(lambda: bool(it.role.written))
        await asyncio.sleep(0.05)
        assert it.app.consumer.safe == {}

    drive(work)


def test_an_error_in_a_save_ends_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[int] = []
    monkeypatch.setattr(signal, "raise_signal", raised.append)

    async def work(it: Driven) -> None:
        it.role.error = ValueError("the broker said no")
        it.role.may_write.set()
        await it.until(lambda: bool(raised))
        taken = it.role.taken
        await asyncio.sleep(0.05)
        assert it.role.taken <= taken + 1
        assert it.app.failure is it.role.error
        assert it.app.consumer.safe == {}
        assert it.shell.health.alive().reason == "the broker said no"

    drive(work)
    assert raised == [signal.SIGTERM]


def test_a_worker_that_stops_commits_its_last_save() -> None:
    async def work(it: Driven) -> None:
        it.role.may_write.set()
        await it.until(lambda: it.role.taken > 3)
        await it.shell.finish(60)
        assert it.app.committed == [{PLACE: it.role.taken}]

    drive(work)


def take(role: CountingRole, events: Sequence[Any]) -> list[dict[TP, int]]:
    """Let a shell take events; return the positions it sought."""

    async def whole() -> list[dict[TP, int]]:
        app = FakeApp()
        shell = Shell(app, role)
        await shell._assigned()
        for each in events:
            await shell._take(each.message, each.value)
        return app.sought

    return asyncio.run(whole())


def test_what_was_taken_is_not_taken_again_and_a_hole_is_gone_back_to() -> None:
    role = CountingRole()
    after_the_seek = [event(2, 2), event(3, 3)]
    read = [event(0, 0, 1), event(0, 0, 1), event(4, 4), event(5, 5), *after_the_seek]
    assert take(role, read) == [{PLACE: 2}]
    assert role.offsets == [0, 1, 2, 3]


def test_a_hole_that_the_broker_left_is_none() -> None:
    role = CountingRole()
    assert take(role, [event(0, 0, 1), event(2, 7, 8), event(9, 9)]) == []
    assert role.offsets == [0, 1, 7, 8, 9]


def test_a_role_without_positions_goes_on_where_the_group_has_committed() -> None:
    role = CountingRole()
    role.positions = {}
    assert take(role, [event(None, 5, 6), event(3, 3, 4), event(5, 5)]) == [{PLACE: 3}]
    assert role.offsets == [3, 4, 5]


def test_what_was_handed_over_and_never_came_is_read_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(course, "PATIENCE_SECONDS", 0.0)

    async def whole() -> list[dict[TP, int]]:
        app = FakeApp()
        shell = Shell(app, CountingRole())
        await shell._assigned()
        app.consumer.handed[PLACE] = 7
        await shell._mend()
        return app.sought

    assert asyncio.run(whole()) == [{PLACE: 0}]


def test_no_save_follows_a_step_that_was_left_halfway() -> None:
    async def whole() -> None:
        it = Driven()
        it.role.may_write.set()
        it.role.may_send.clear()
        await it.shell._assigned()
        agent = asyncio.create_task(it.shell._run(it.stream))
        await it.until(lambda: it.role.taken == 1)
        agent.cancel()  # as Faust does when it ends of an error of its own
        await asyncio.wait({agent})
        await it.shell.finish(60)
        assert it.role.begun == []
        assert it.app.committed == []

    asyncio.run(whole())


def test_a_worker_that_is_out_of_its_group_for_good_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[int] = []
    monkeypatch.setattr(signal, "raise_signal", raised.append)
    monkeypatch.setattr(module, "TICK_SECONDS", 0.001)

    async def whole() -> None:
        it = Driven()
        watch = asyncio.create_task(it.shell._watch())
        await it.until(lambda: it.shell.health.ready().reason == "not assigned")
        assert it.app.failure is None
        it.app.consumer.lost = lambda: KafkaError("Did we not perform bootstrap?")
        await it.until(lambda: it.app.failure is not None)
        await asyncio.sleep(0.05)
        it.app.should_stop = True
        await watch
        assert isinstance(it.app.failure, ServiceError)
        assert "out of its consumer group" in (it.shell.health.alive().reason or "")

    asyncio.run(whole())
    assert raised == [signal.SIGTERM]


HEAVY = {
    "ingest": {"river", "scipy", "clickhouse_driver"},
    "forecast": {"polars", "clickhouse_driver"},
    "sink": {"river", "scipy", "polars"},
}
MAKE = """
import sys
from pathlib import Path
from tidecast.state.settings import load_settings
from tidecast.streams.app import make_app
make_app(load_settings(Path("tidecast.toml"), {{}}), {role!r}, "0")._create_directories()
print(*sorted({others!r} & set(sys.modules)))
"""


@pytest.mark.parametrize("role", sorted(HEAVY))
def test_a_worker_imports_nothing_that_only_others_need_and_makes_no_folders(
    role: str, tmp_path: Path
) -> None:
    (tmp_path / "tidecast.toml").write_text(EXAMPLE.read_text())
    code = MAKE.format(role=role, others=HEAVY[role])
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert found.stdout == "\n"
    assert [path.name for path in tmp_path.iterdir()] == ["tidecast.toml"]
