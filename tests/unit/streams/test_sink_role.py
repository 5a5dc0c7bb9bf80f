"""The sink's role without a broker or a server: what it commits, and when it waits."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click_settings import click_settings
from fake_store import FakeStore, Rule, item
from faust.types import TP

from tidecast.state.errors import StoreAwayError, StoreError, StoreRowsError
from tidecast.state.partition import Batch
from tidecast.state.settings import Settings, load_settings
from tidecast.streams import sink as module
from tidecast.streams.sink import SinkRole

SETTINGS = click_settings("clicks")
PLACE = TP("tidecast.predictions", 0)


class FakeSender:
    """Keeps what was sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []

    async def send(self, topic: str, value: bytes, *_: Any) -> None:
        self.sent.append((topic, value))

    async def delivered(self) -> None:
        pass


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    path = tmp_path / "tidecast.toml"
    path.write_text(SETTINGS)
    return load_settings(path, {})


def role_of(settings: Settings, store: FakeStore) -> tuple[SinkRole, FakeSender]:
    sender = FakeSender()
    return SinkRole(settings, sender, lambda: store), sender  # type: ignore[arg-type]


def batch(*offsets: int) -> Batch:
    values: list[bytes | None] = [item(n).value for n in offsets]
    return Batch(np.array(offsets, np.int64), values)


async def taken(role: SinkRole, part: Batch, most: int = 100) -> bool:
    """Take a batch; False when it still waits after ``most`` waits."""
    async for waiting in role.take(PLACE, part):
        if waiting is None:
            return True
        await asyncio.wait({waiting}, timeout=0.02)
        if (most := most - 1) == 0:
            return False
    return True


def away(regions: list[str]) -> None:
    raise StoreAwayError("it is not there")


def test_what_a_checkpoint_returns_is_in_the_store(settings: Settings) -> None:
    async def go() -> None:
        store = FakeStore()
        role, _ = role_of(settings, store)
        assert await role.open([PLACE]) == {}
        assert await taken(role, batch(0, 1, 2))
        assert await (await role.checkpoint()) == {PLACE: 3}
        assert store.regions == ["r0", "r1", "r2"]
        assert await (await role.checkpoint()) == {}

    asyncio.run(go())


def test_a_store_that_is_away_commits_nothing_and_says_so_once(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    async def go() -> None:
        store = FakeStore(away)
        role, _ = role_of(settings, store)
        await role.open([PLACE])
        assert await taken(role, batch(0, 1))
        assert await (await role.checkpoint()) == {}
        await asyncio.sleep(1.0)  # some tries
        assert role.trouble == "it is not there"
        store.rule = lambda regions: None
        positions: dict[TP, int] = {}
        for _ in range(100):
            positions |= await (await role.checkpoint())
            await asyncio.sleep(0.1)
            if positions:
                break
        assert positions == {PLACE: 2}
        assert store.regions == ["r0", "r1"]
        assert role.trouble is None

    with caplog.at_level(logging.WARNING):
        asyncio.run(go())
    said = [record.getMessage() for record in caplog.records]
    assert [line for line in said if "waiting for ClickHouse" in line] == [
        "waiting for ClickHouse: it is not there"
    ]
    assert sum("serves again" in line for line in said) == 1


def test_nothing_piles_up_while_the_store_is_away(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FLUSH_RECORDS", 4)

    async def go() -> None:
        store = FakeStore(away)
        role, _ = role_of(settings, store)
        await role.open([PLACE])
        await asyncio.sleep(0.05)  # the empty flight that opens the store has landed
        assert await taken(role, batch(0, 1, 2, 3))  # under way
        assert not await taken(role, batch(4, 5, 6, 7), most=5)  # full, and waits

    asyncio.run(go())


def test_what_was_gathered_for_others_is_given_up(settings: Settings) -> None:
    async def go() -> None:
        store = FakeStore(away)
        role, _ = role_of(settings, store)
        await role.open([PLACE])
        await taken(role, batch(0, 1))
        assert await (await role.checkpoint()) == {}
        store.rule = lambda regions: None
        await role.open([PLACE])
        await asyncio.sleep(0.5)
        assert await (await role.checkpoint()) == {}
        assert store.regions == []
        assert role.trouble is None

    asyncio.run(go())


def test_a_record_at_fault_is_a_dead_letter_before_its_position_is_returned(
    settings: Settings,
) -> None:
    def rule(regions: list[str]) -> None:
        if "r1" in regions:
            raise StoreRowsError("r1 does not fit")

    async def go() -> None:
        role, sender = role_of(settings, FakeStore(rule))
        await role.open([PLACE])
        await taken(role, batch(0, 1, 2))
        assert await (await role.checkpoint()) == {PLACE: 3}
        ((topic, letter),) = sender.sent
        assert topic == "tidecast.dead-letters"
        assert b'"offset":1' in letter
        assert b"r1 does not fit" in letter

    asyncio.run(go())


@pytest.mark.parametrize("message", ["refuses user", "there is no table"])
def test_a_refusal_that_waiting_does_not_mend_is_raised(settings: Settings, message: str) -> None:
    def rule(regions: list[str]) -> None:
        raise StoreError(message)

    refusing: Rule = rule

    async def go() -> None:
        role, _ = role_of(settings, FakeStore(refusing))
        await role.open([PLACE])
        await taken(role, batch(0))
        with pytest.raises(StoreError, match=message):
            await (await role.checkpoint())

    asyncio.run(go())
