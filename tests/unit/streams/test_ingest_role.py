"""What an ingest worker decides and keeps, without a broker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import numpy as np
import pytest
from faust.types import TP
from partitions import START, sums_of
from shops import click, shop

from tidecast.state.bins import iso
from tidecast.state.cuts import Cut, Idle
from tidecast.state.partition import Batch
from tidecast.streams.checkpoints import Checkpoint, CheckpointLog, Owner
from tidecast.streams.ingest import IngestRole
from tidecast.streams.wire import parse_input

PLACE = TP("events", 0)
SETTINGS = shop(max_disorder="10s", allowed_lateness="30m", idle_timeout="0s", max_gap="1d")


class Shelf:
    """Stands for the broker: keeps what is sent, and checkpoints in memory."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sent: list[tuple[str, bytes]] = []
        self.calls: list[str] = []
        self.kept: dict[Owner, Checkpoint] = {}
        monkeypatch.setattr(CheckpointLog, "read", self._read)
        monkeypatch.setattr(CheckpointLog, "write", self._write)

    async def send(self, topic: str, value: bytes, **_: Any) -> None:
        self.calls.append("send")
        self.sent.append((topic, value))

    async def delivered(self) -> None:
        self.calls.append("delivered")

    async def _read(self, owners: list[Owner]) -> dict[Owner, Checkpoint]:
        return {owner: self.kept[owner] for owner in owners if owner in self.kept}

    async def _write(self, sender: Any, owner: Owner, checkpoint: Checkpoint) -> None:
        self.calls.append("checkpoint")
        self.kept[owner] = checkpoint

    def messages(self) -> list[Any]:
        return [parse_input(v, SETTINGS.fingerprint()) for t, v in self.sent if t.endswith("cuts")]


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Shelf:
    return Shelf(monkeypatch)


def records(*seconds: float) -> list[bytes]:
    return [click(event_time=iso(START + int(second * 1e6))) for second in seconds]


async def take(role: IngestRole, raw: Sequence[bytes], first: int) -> None:
    async for _ in role.take(PLACE, Batch(np.arange(first, first + len(raw)), raw)):
        pass


def running(work: Callable[[IngestRole], Awaitable[None]], shelf: Shelf) -> None:
    """Do ``work`` with a role that was given PLACE."""

    async def whole() -> None:
        role = IngestRole(SETTINGS, shelf)  # type: ignore[arg-type]
        await role.open([PLACE])
        await work(role)

    asyncio.run(whole())


WARM = records(0, 0, 0, 0, 0, 0)


def test_a_silent_partition_read_to_its_end_is_idle_once_with_what_it_has_open(
    shelf: Shelf,
) -> None:
    async def work(role: IngestRole) -> None:
        await take(role, WARM, 0)
        await role.idle({PLACE: 6})
        await role.idle({PLACE: 6})

    running(work, shelf)
    (idle,) = shelf.messages()
    assert isinstance(idle, Idle)
    assert idle.upto == 6
    assert [sums_of(part)["north"][0] for part in idle.bins] == [6]


@pytest.mark.parametrize("ends", [{}, {PLACE: 7}])
def test_a_partition_whose_end_is_unknown_or_unread_is_not_idle(
    shelf: Shelf, ends: dict[TP, int]
) -> None:
    async def work(role: IngestRole) -> None:
        await take(role, WARM, 0)
        await role.idle(ends)

    running(work, shelf)
    assert shelf.messages() == []


def test_outputs_are_delivered_before_the_checkpoint_is_written(shelf: Shelf) -> None:
    async def work(role: IngestRole) -> None:
        await take(role, [*WARM, *records(3_700)], 0)
        assert await role.checkpoint() == {PLACE: 7}
        assert await role.checkpoint() == {}

    running(work, shelf)
    assert shelf.calls == ["send", "delivered", "checkpoint", "delivered"]


def test_a_new_owner_goes_on_from_the_checkpoint_and_skips_what_was_folded(shelf: Shelf) -> None:
    async def before(role: IngestRole) -> None:
        await take(role, WARM, 0)
        await role.checkpoint()

    async def after(role: IngestRole) -> None:
        await take(role, [*WARM, *records(5, 3_700)], 0)

    running(before, shelf)
    running(after, shelf)
    (cut,) = shelf.messages()
    assert isinstance(cut, Cut)
    assert cut.upto == 7
    assert [sums_of(part)["north"][0] for part in cut.bins] == [7]
