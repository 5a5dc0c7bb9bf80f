"""A recorder comes to the end of topics, whatever stands there."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from aiokafka import TopicPartition
from recordings import begun
from shops import click, shop

from tidecast.streams.recording.inbox import Inbox
from tidecast.streams.recording.recorder import Recorder

SHOP = shop()
EVENTS = TopicPartition(SHOP.sources[0].topic, 0)


class Topic:
    """A consumer of topics with some events, and a marker after them that is no record.

    The marker comes in a fetch of its own, which brings nothing.
    """

    def __init__(self, events: int) -> None:
        self._events = events
        self._fetches = 0

    async def getmany(self, *_: Any, **__: Any) -> dict[TopicPartition, list[Any]]:
        self._fetches += 1
        if self._fetches > 1:
            return {}
        records = [
            SimpleNamespace(offset=offset, timestamp=0, value=click())
            for offset in range(self._events)
        ]
        return {EVENTS: records}

    async def position(self, place: TopicPartition) -> int:
        if place != EVENTS:
            return 0
        return self._events if self._fetches < 2 else self._events + 1


def recorder_of(folder: Path, topic: Topic, end: int) -> Recorder:
    recording = begun(folder, SHOP)
    recorder = Recorder(SHOP, recording, lambda *_: nullcontext(lambda _: None))
    recorder._keys = {EVENTS: (SHOP.sources[0].name, 0)}
    recorder._inbox = Inbox(recording, 0)
    recorder._inbox.add(recorder._keys[EVENTS], 0)
    recorder._consumer = topic
    recorder._advance = lambda _: None
    recorder._ends = {EVENTS: end, recorder._cuts: 0}
    return recorder


def test_a_marker_of_a_transaction_at_the_end_is_no_record_to_wait_for(tmp_path: Path) -> None:
    async def whole() -> list[bool]:
        recorder = recorder_of(tmp_path / "kept", Topic(3), end=4)
        seen = [await recorder._is_at_end()]
        for _ in range(2):
            await recorder._fetch()
            seen.append(await recorder._is_at_end())
        assert recorder._intake(EVENTS).offsets == [0, 1, 2]
        return seen

    assert asyncio.run(whole()) == [False, False, True]


def test_without_ends_there_is_no_end(tmp_path: Path) -> None:
    async def whole() -> bool:
        recorder = recorder_of(tmp_path / "kept", Topic(3), end=4)
        recorder._ends = {}
        await recorder._fetch()
        return await recorder._is_at_end()

    assert not asyncio.run(whole())
