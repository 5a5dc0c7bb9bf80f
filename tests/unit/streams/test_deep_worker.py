"""The deep worker's loop, without a broker."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from aiokafka.errors import KafkaConnectionError  # noqa: E402
from deep_folders import FIRST, saved, settings_of, window  # noqa: E402

from tidecast.models.deep.model import Model  # noqa: E402
from tidecast.models.deep.registry import Registry  # noqa: E402
from tidecast.state.deep_forecast import DeepForecast  # noqa: E402
from tidecast.streams import deep_worker  # noqa: E402
from tidecast.streams.deep_models import ModelShelf  # noqa: E402
from tidecast.streams.deep_wire import parse_deep_forecast  # noqa: E402
from tidecast.streams.deep_worker import DeepLoop  # noqa: E402
from tidecast.streams.follow import Fetched  # noqa: E402


class Topics:
    """Stands for the broker: windows to be read, and the answers that were sent."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
        self.sent: list[DeepForecast] = []
        self.backs: list[int] = []
        self.away = 0
        self.windows: asyncio.Queue[list[Fetched]] = asyncio.Queue()
        self.loop = DeepLoop(settings_of(root))
        monkeypatch.setattr(deep_worker, "follow", self._follow)
        monkeypatch.setattr(deep_worker, "LOOK_SECONDS", 0.0)
        monkeypatch.setattr(deep_worker, "WITHOUT_SECONDS", 0.01)
        monkeypatch.setattr(deep_worker, "FIRST_PAUSE_SECONDS", 0.01)
        monkeypatch.setattr(DeepLoop, "_producer", self._producer)

    async def _follow(self, _: object, topic: str, back: int) -> AsyncIterator[list[Fetched]]:
        self.backs.append(back)
        if self.away:
            self.away -= 1
            raise KafkaConnectionError("the broker is away")
        while True:
            yield await self.windows.get()

    @asynccontextmanager
    async def _producer(self) -> AsyncIterator[Any]:
        yield self

    async def send_and_wait(self, topic: str, value: bytes, partition: int) -> None:
        assert (topic, partition) == ("tidecast.deep-forecasts", 0)
        self.sent.append(parse_deep_forecast(value))

    def tell(self, first: int, last: int, is_last: bool = True) -> None:
        values = [window(number) for number in range(first, last)]
        self.windows.put_nowait([Fetched(0, values, is_last)])

    async def answered(self, count: int) -> list[DeepForecast]:
        async with asyncio.timeout(60):
            while len(self.sent) < count:
                self.windows.put_nowait([])  # a broker's half second
                await asyncio.sleep(0.01)
        return self.sent

    def run(self, test: Callable[[], Any]) -> None:
        async def both() -> None:
            running = asyncio.ensure_future(self.loop.run())
            await test()
            running.cancel()
            await asyncio.wait({running})

        asyncio.run(both())


@pytest.fixture
def topics(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Topics:
    return Topics(monkeypatch, tmp_path)


def test_the_newest_bin_is_answered_when_all_that_came_is_read(
    topics: Topics, tmp_path: Path
) -> None:
    saved(tmp_path, "first")

    async def test() -> None:
        topics.tell(0, 12, is_last=False)
        topics.tell(12, 20)
        (said,) = await topics.answered(1)
        assert (said.model, said.origin_bin) == ("first", FIRST + 19)
        assert said.mean.shape == (2, 6, 3)
        assert said.is_sound
        topics.tell(20, 21)
        assert (await topics.answered(2))[-1].origin_bin == FIRST + 20
        assert topics.backs == [20]
        assert topics.loop.health.ready().reason is None

    topics.run(test)


def test_without_a_model_it_waits_for_one_and_says_so(topics: Topics, tmp_path: Path) -> None:
    async def test() -> None:
        topics.tell(0, 12)
        await asyncio.sleep(0.1)
        assert "no model in" in str(topics.loop.health.ready().reason)
        saved(tmp_path, "first")
        assert (await topics.answered(1))[0].model == "first"

    topics.run(test)


def test_a_newer_model_takes_over_with_the_next_bin(topics: Topics, tmp_path: Path) -> None:
    saved(tmp_path, "a")

    async def test() -> None:
        topics.tell(0, 12)
        await topics.answered(1)
        saved(tmp_path, "b")
        for _ in range(3):
            topics.windows.put_nowait([])
        await asyncio.sleep(0.2)
        topics.tell(12, 13)
        assert [said.model for said in await topics.answered(2)] == ["a", "b"]

    topics.run(test)


def test_a_model_that_looks_back_further_has_the_topic_read_again(
    topics: Topics, tmp_path: Path
) -> None:
    saved(tmp_path, "a")

    async def test() -> None:
        topics.tell(0, 12)
        await topics.answered(1)
        saved(tmp_path, "b", context_length=16)
        async with asyncio.timeout(60):
            while len(topics.backs) < 2:
                topics.windows.put_nowait([])
                await asyncio.sleep(0.01)
        assert topics.backs == [20, 32]
        topics.tell(0, 30)
        assert [said.model for said in await topics.answered(2)] == ["a", "b"]

    topics.run(test)


def test_what_is_no_window_is_passed_over_and_what_fails_ends_nothing(
    topics: Topics,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    saved(tmp_path, "first")
    forecast, failures = Model.forecast, [RuntimeError("out of memory")]

    def failing(self: Model, *given: Any) -> Any:
        if failures:
            raise failures.pop()
        return forecast(self, *given)

    monkeypatch.setattr(Model, "forecast", failing)

    async def test() -> None:
        topics.windows.put_nowait([Fetched(0, [b"no window", None, b"{}"], is_last=True)])
        topics.tell(0, 12)
        while failures:
            await asyncio.sleep(0.01)
        topics.tell(12, 13)
        assert (await topics.answered(1))[0].origin_bin == FIRST + 12

    topics.run(test)
    assert "out of memory" in caplog.text
    assert caplog.text.count("passed over") == 3


def test_a_broker_that_was_away_is_waited_for(topics: Topics, tmp_path: Path) -> None:
    saved(tmp_path, "first")
    topics.away = 3

    async def test() -> None:
        topics.tell(0, 12)
        await topics.answered(1)
        assert len(topics.backs) == 4

    topics.run(test)


def test_a_broken_or_foreign_model_is_refused_once_and_half_written_ones_are_not_seen(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shelf = ModelShelf(settings_of(tmp_path))
    assert shelf.look() is None
    saved(tmp_path, "a")
    first = shelf.look()
    assert first is not None
    assert shelf.look() is None
    (saved(tmp_path, "b") / "weights.safetensors").write_bytes(b"torn")
    assert shelf.look() is None
    assert shelf.look() is None
    assert caplog.text.count("damaged") == 1
    (saved(tmp_path, "c") / "complete.json").unlink()
    assert shelf.look() is None
    saved(tmp_path, "d", horizon=1)
    assert shelf.look() is None
    assert "d is refused" in caplog.text
    fresh = ModelShelf(settings_of(tmp_path)).look()
    assert fresh is not None
    assert fresh.name == "a"
    saved(tmp_path, "e")
    second = shelf.look()
    assert second is not None
    assert second.name == "e"


def test_a_model_that_is_made_anew_under_its_name_is_another_one(tmp_path: Path) -> None:
    shelf = ModelShelf(settings_of(tmp_path))

    def made_anew(**changes: Any) -> bool:
        shutil.rmtree(tmp_path / "a", ignore_errors=True)
        assert shelf.look() is None
        saved(tmp_path, "a", **changes)
        return shelf.look() is not None

    assert "`tidecast deep train` makes one" in shelf.lack
    assert not made_anew(horizon=1)  # too short
    assert "fits, or can be loaded: the log says why" in shelf.lack
    assert made_anew()
    Registry(tmp_path).promote("a")
    assert made_anew(spread=2.0)
    assert shelf.look() is None


def test_a_model_that_finds_no_memory_is_tried_again_while_the_one_before_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shelf = ModelShelf(settings_of(tmp_path))
    saved(tmp_path, "a")
    assert shelf.look() is not None
    saved(tmp_path, "b")

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as patch:
        patch.setattr("tidecast.streams.deep_models.load_live", full)
        assert shelf.look() is None
    assert "model b cannot be loaded for now" in caplog.text
    found = shelf.look()
    assert found is not None
    assert found.name == "b"


def test_the_champion_answers_and_who_was_rejected_does_not(tmp_path: Path) -> None:
    shelf, registry = ModelShelf(settings_of(tmp_path)), Registry(tmp_path)
    for name in "abc":
        saved(tmp_path, name)
    registry.reject("c")

    def answering() -> str | None:
        found = shelf.look()
        return found and found.name

    assert answering() == "b"
    registry.promote("a")
    assert answering() == "a"
    registry.promote("b")
    saved(tmp_path, "d")
    assert answering() == "b"
    registry.roll_back()
    assert answering() == "a"
    (tmp_path / "registry.json").write_text("torn")
    assert answering() is None


def test_answers_of_two_workers_to_the_same_tail_are_the_same(tmp_path: Path) -> None:
    saved(tmp_path, "first")
    said = []
    for first in (0, 5):
        with pytest.MonkeyPatch.context() as patch:
            topics = Topics(patch, tmp_path)

            async def test(topics: Topics = topics, first: int = first) -> None:
                topics.tell(first, 30)
                said.extend(await topics.answered(1))

            topics.run(test)
    one, other = (replace(each, mean=np.round(each.mean, 3)) for each in said)
    assert one.mean.tobytes() == other.mean.tobytes()
