"""The judge beside a deep worker, without a broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from aiokafka.errors import KafkaConnectionError  # noqa: E402
from deep_folders import FIRST, saved, settings_of, window  # noqa: E402

from tidecast.models.deep.contest import Decision  # noqa: E402
from tidecast.models.deep.promotion import Bounds  # noqa: E402
from tidecast.models.deep.registry import Registry  # noqa: E402
from tidecast.state.errors import CheckpointError, ServiceError  # noqa: E402
from tidecast.streams import deep_judge  # noqa: E402
from tidecast.streams.deep_judge import Judge  # noqa: E402
from tidecast.streams.follow import Fetched  # noqa: E402

BOUNDS = Bounds(span=40, watch=20)
ENOUGH = 10 + BOUNDS.span + 3  # bins of context, origins, leads
GOOD, BAD = 1.0, 20.0  # how wide they stray


class Shop:
    """Stands for the broker: the windows topic, and what the judge said of the models."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
        self.root = root
        self.registry = Registry(root)
        self.records: list[bytes] = []
        self.backs: list[int] = []
        self.said: list[Decision] = []
        monkeypatch.setattr(deep_judge, "follow", self._follow)
        monkeypatch.setattr(deep_judge, "LOOK_SECONDS", 0.0)

    async def _follow(self, _: object, topic: str, back: int) -> AsyncIterator[list[Fetched]]:
        assert topic == "tidecast.windows"
        self.backs.append(back)
        yield []  # a broker that is slow to begin
        read = max(0, len(self.records) - back)
        while True:
            batch = self.records[read : read + 30]
            read += len(batch)
            yield [Fetched(0, batch, read == len(self.records))] if batch else []
            await asyncio.sleep(0.001)

    def pass_bins(self, first: int, last: int) -> None:
        self.records += [window(number) for number in range(first, last)]

    async def judged(self, count: int) -> list[Decision]:
        async with asyncio.timeout(60):
            while len(self.said) < count:
                await asyncio.sleep(0.001)
        return self.said

    def judge(self) -> Judge:
        return Judge(settings_of(self.root), self.said.append, BOUNDS)

    def run(self) -> list[str]:
        """Let the judge run until nobody is left; return what came of whom."""
        asyncio.run(asyncio.wait_for(self.judge().run(), 120))
        return [f"{decision.model} {decision.outcome}" for decision in self.said]


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shop:
    return Shop(monkeypatch, tmp_path)


def test_without_a_champion_or_others_beside_it_there_is_nothing_to_do(shop: Shop) -> None:
    saved(shop.root, "a")
    saved(shop.root, "b")
    assert shop.run() == []
    shop.registry.promote("a")
    shop.registry.reject("b")
    assert shop.run() == []


def test_a_better_challenger_takes_over_and_a_worse_one_is_rejected(shop: Shop) -> None:
    saved(shop.root, "a", BAD)
    saved(shop.root, "b", GOOD)
    shop.registry.promote("a")
    shop.pass_bins(0, ENOUGH)

    async def test() -> None:
        running = asyncio.ensure_future(shop.judge().run())
        (said,) = await shop.judged(1)
        assert (said.model, said.outcome) == ("b", "promoted"), said.reason
        assert shop.registry.standing().champion == "b"
        saved(shop.root, "c", BAD)
        assert (await shop.judged(2))[-1].outcome == "rejected"
        assert shop.registry.standing().rejected == ("c",)
        running.cancel()

    asyncio.run(test())
    assert shop.backs[0] == 2 * (10 + BOUNDS.span + 3)


def test_a_champion_that_is_worse_goes_back_once_bins_have_passed_since(shop: Shop) -> None:
    saved(shop.root, "a", GOOD)
    saved(shop.root, "b", BAD)
    shop.registry.promote("a")
    shop.registry.promote("b")
    shop.pass_bins(0, 100)

    async def test() -> None:
        running = asyncio.ensure_future(shop.judge().run())
        await asyncio.sleep(1.0)
        assert shop.said == []  # what was before is not looked at
        shop.pass_bins(100, 150)
        (said,) = await shop.judged(1)
        assert (said.model, said.outcome) == ("b", "rolled_back")
        assert shop.registry.standing().champion == "a"
        await asyncio.wait_for(running, 60)  # nobody is left to be judged

    asyncio.run(test())


def test_a_challenger_that_has_seen_the_bins_waits_for_others(shop: Shop) -> None:
    saved(shop.root, "a", BAD)
    saved(shop.root, "b", GOOD, until=FIRST + 100)
    shop.registry.promote("a")
    shop.pass_bins(0, 99 + ENOUGH - 11)

    async def test() -> None:
        running = asyncio.ensure_future(shop.judge().run())
        await asyncio.sleep(1.0)
        assert shop.said == []
        shop.pass_bins(99 + ENOUGH - 11, 99 + ENOUGH - 10)
        assert (await shop.judged(1))[0].outcome == "promoted"
        running.cancel()

    asyncio.run(test())


def test_a_champion_of_the_meantime_is_not_displaced(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, spread in (("a", BAD), ("b", GOOD), ("c", GOOD / 2)):
        saved(shop.root, name, spread)
    shop.registry.promote("a")
    shop.registry.reject("c")
    shop.pass_bins(0, ENOUGH)
    promote = Registry.promote

    def later(self: Registry, name: str, champion: str | None = None) -> object:
        promote(self, "c")  # by hand, a moment before
        return promote(self, name, champion)

    async def test() -> None:
        running = asyncio.ensure_future(shop.judge().run())
        while shop.registry.standing().champion == "a":
            await asyncio.sleep(0.001)
        running.cancel()

    monkeypatch.setattr(Registry, "promote", later)
    asyncio.run(test())
    assert shop.registry.standing().champion == "c"
    assert shop.said == []


def test_a_challenger_that_cannot_be_loaded_is_rejected_and_holds_up_no_other(shop: Shop) -> None:
    for name, spread in (("a", BAD), ("b", GOOD), ("c", GOOD), ("d", GOOD)):
        saved(shop.root, name, spread)
    for name in "cd":  # more are not looked at
        (shop.root / name / "weights.safetensors").write_bytes(b"torn")
    shop.registry.promote("a")
    shop.pass_bins(0, ENOUGH)

    async def test() -> None:
        running = asyncio.ensure_future(shop.judge().run())
        *torn, last = await shop.judged(3)
        assert [said.model for said in torn] == ["c", "d"]
        assert all(said.outcome == "rejected" and "damaged" in said.reason for said in torn)
        assert (last.model, last.outcome) == ("b", "promoted")
        assert shop.registry.challengers() == ()
        running.cancel()

    asyncio.run(test())


def test_beside_a_champion_that_cannot_be_loaded_nobody_is_judged(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    weights = saved(shop.root, "a", BAD) / "weights.safetensors"
    saved(shop.root, "b", GOOD)
    shop.registry.promote("a")
    whole = weights.read_bytes()
    weights.write_bytes(b"torn")
    shop.pass_bins(0, ENOUGH)

    async def test() -> None:
        running = asyncio.ensure_future(shop.judge().run())
        while "damaged" not in caplog.text:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.1)
        assert caplog.text.count("damaged") == 1
        assert shop.said == []
        weights.write_bytes(whole)
        saved(shop.root, "c", GOOD)  # who takes part is looked at again
        assert (await shop.judged(1))[0].outcome == "promoted"
        running.cancel()

    asyncio.run(test())


def test_a_broker_that_is_away_and_a_folder_that_is_read_only_are_named(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(shop.root, "a", BAD)
    saved(shop.root, "b", GOOD)
    shop.registry.promote("a")
    shop.pass_bins(0, ENOUGH)

    def denied(*_: object) -> object:
        raise PermissionError(13, "Read-only file system")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tidecast.models.deep.registry.fcntl.flock", denied)
        with pytest.raises(CheckpointError, match="cannot be written: Read-only"):
            shop.run()

    async def away(*_: object) -> AsyncIterator[list[Fetched]]:
        raise KafkaConnectionError("away")
        yield []

    monkeypatch.setattr(deep_judge, "follow", away)
    with pytest.raises(ServiceError, match="does not answer the judge"):
        shop.run()
