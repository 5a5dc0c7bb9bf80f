"""What is started beside a deep worker, and when."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from deep_folders import saved  # noqa: E402
from prometheus_client import REGISTRY  # noqa: E402

from tidecast.models.deep.registry import Registry  # noqa: E402
from tidecast.state.errors import ServiceError  # noqa: E402
from tidecast.state.settings.deep import DeepSettings  # noqa: E402
from tidecast.streams import deep_aside  # noqa: E402
from tidecast.streams.deep_aside import DeepAside, is_due  # noqa: E402

PROMOTED = b'{"model": "b", "outcome": "promoted", "reason": "saves 3%"}\n'


class Machine:
    """Keeps which commands were run, and has them print what they are told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
        self.root, self.registry = root, Registry(root)
        self.ran: list[list[str]] = []
        self.printed: list[bytes] = []
        self.fails = 0
        self.settings = DeepSettings(models=root)
        monkeypatch.setattr(deep_aside, "run_aside", self._run_aside)
        monkeypatch.setattr(deep_aside, "LOOK_SECONDS", 0.001)
        monkeypatch.setattr(deep_aside, "JUDGE_AGAIN_SECONDS", 0.001)

    async def _run_aside(self, command: Sequence[str], hear: Callable[[bytes], None]) -> None:
        self.ran.append(list(command))
        for line in self.printed:
            hear(line)
        if self.fails:
            self.fails -= 1
            raise ServiceError("the process has ended with code -9")

    def watch(self, test: Callable[[], Awaitable[None]]) -> None:
        async def both() -> None:
            running = asyncio.ensure_future(DeepAside(self.settings, ["tidecast"]).run())
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
        deep_aside.hear_decision(line)
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


def written(root: Path, name: str, at: float) -> None:
    """Write a model at a Unix time."""
    os.utime(saved(root, name), (at, at))


def test_another_network_is_due_so_long_after_the_last_was_written(machine: Machine) -> None:
    assert not is_due(machine.registry, 100, now=10_000)  # the first is made by hand
    written(machine.root, "a", 500)
    written(machine.root, "b", 600)
    assert not is_due(machine.registry, 100, now=699)
    assert is_due(machine.registry, 100, now=700)


def test_none_is_due_while_a_challenger_waits_to_be_judged(machine: Machine) -> None:
    written(machine.root, "a", 500)
    machine.registry.promote("a")
    assert is_due(machine.registry, 100, now=1_000)
    written(machine.root, "b", 600)
    assert not is_due(machine.registry, 100, now=1_000)
    machine.registry.reject("b")
    assert is_due(machine.registry, 100, now=1_000)


def test_a_training_runs_when_it_is_due_and_one_that_fails_is_tried_again(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(deep_aside, "TRAIN_AGAIN_SECONDS", 0.001)
    machine.settings = DeepSettings(models=machine.root, retrain=60_000_000)
    machine.printed, machine.fails = [b"wrote models/2025\n"], 1

    async def test() -> None:
        await asyncio.sleep(0.05)
        assert machine.ran == []
        written(machine.root, "a", 500)
        await machine.has_run(3)
        assert machine.ran[0] == ["tidecast", "deep", "retrain", "--lifeline", "0"]

    machine.watch(test)
    assert caplog.text.count("no network is trained for now: the process has ended") == 1
    assert "a training beside: wrote models/2025" in caplog.text


def test_without_the_setting_nothing_is_trained(machine: Machine) -> None:
    async def test() -> None:
        written(machine.root, "a", 500)
        await asyncio.sleep(0.1)
        assert machine.ran == []

    machine.watch(test)
