"""What is started beside a deep worker, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from deep_folders import saved  # noqa: E402
from prometheus_client import REGISTRY  # noqa: E402

from tidecast.models.deep.registry import Registry  # noqa: E402
from tidecast.state.errors import ServiceError  # noqa: E402
from tidecast.streams import deep_aside  # noqa: E402
from tidecast.streams.deep_aside import DeepAside  # noqa: E402

PROMOTED = b'{"model": "b", "outcome": "promoted", "reason": "saves 3%"}\n'


class Machine:
    """Keeps which commands were run, and has them print what they are told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
        self.root, self.registry = root, Registry(root)
        self.ran: list[list[str]] = []
        self.printed: list[bytes] = []
        self.fails = 0
        monkeypatch.setattr(deep_aside, "run_aside", self._run_aside)
        monkeypatch.setattr(deep_aside, "LOOK_SECONDS", 0.001)
        monkeypatch.setattr(deep_aside, "AGAIN_SECONDS", 0.001)

    async def _run_aside(self, command: Sequence[str], hear: Callable[[bytes], None]) -> None:
        self.ran.append(list(command))
        for line in self.printed:
            hear(line)
        if self.fails:
            self.fails -= 1
            raise ServiceError("the process has ended with code -9")

    def watch(self, test: Callable[[], Awaitable[None]]) -> None:
        async def both() -> None:
            running = asyncio.ensure_future(DeepAside(self.root, ["tidecast"]).run())
            async with asyncio.timeout(60):
                await test()
            assert not running.done()
            running.cancel()
            await asyncio.wait({running})

        asyncio.run(both())

    async def has_run(self, count: int) -> None:
        while len(self.ran) < count:
            await asyncio.sleep(0.001)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    return Machine(monkeypatch, tmp_path)


def test_the_judge_runs_while_there_is_anybody_to_judge(machine: Machine) -> None:
    async def test() -> None:
        saved(machine.root, "a")
        machine.registry.promote("a")
        await asyncio.sleep(0.1)
        assert machine.ran == []
        saved(machine.root, "b")
        await machine.has_run(2)
        assert machine.ran[0] == ["tidecast", "deep", "judge", "--lifeline", "0"]

    machine.watch(test)


def test_a_judge_that_was_killed_is_told_of_and_started_again(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    machine.fails = 2

    async def test() -> None:
        saved(machine.root, "a")
        saved(machine.root, "b")
        machine.registry.promote("a")
        await machine.has_run(4)

    machine.watch(test)
    assert caplog.text.count("ended with code -9") == 2


def test_its_decisions_are_logged_and_counted(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    def counted() -> float:
        name = "tidecast_deep_decisions_total"
        return REGISTRY.get_sample_value(name, {"outcome": "promoted"}) or 0.0

    before = counted()
    for line in (PROMOTED, b"warming up\n"):
        deep_aside.hear(line)
    assert counted() - before == 1
    assert "model b is promoted: saves 3%" in caplog.text
    assert "no decision: b'warming up" in caplog.text


def test_a_damaged_registry_ends_nothing(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        (machine.root / "registry.json").write_text("torn")
        while "cannot be read" not in caplog.text:
            await asyncio.sleep(0.001)
        (machine.root / "registry.json").unlink()
        saved(machine.root, "a")
        saved(machine.root, "b")
        machine.registry.promote("a")
        await machine.has_run(1)

    machine.watch(test)
