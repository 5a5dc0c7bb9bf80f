"""The progress topic is asked again and again; what goes wrong is said once."""

from __future__ import annotations

import asyncio
import logging

import pytest
from aiokafka.errors import KafkaConnectionError
from shops import shop

from tidecast.state.bins import BinGrid
from tidecast.streams.progress import ProgressLog
from tidecast.streams.wire import encode_progress

GRID = BinGrid(shop().bins.width, shop().shop.time_zone)
Tail = list[bytes | None] | Exception


class Progress(ProgressLog):
    """A progress topic that ends so, one answer after another."""

    def __init__(self, tails: list[Tail]) -> None:
        super().__init__(shop())
        self._tails = iter(tails)

    async def _tail(self) -> list[bytes | None]:
        tail = next(self._tails)
        if isinstance(tail, Exception):
            raise tail
        return tail


def told(bin_: int) -> bytes:
    return encode_progress(0, bin_, 9, GRID)


def answers(tails: list[Tail]) -> list[int | None]:
    async def ask() -> list[int | None]:
        progress = Progress(tails)
        return [await progress.next_bin() for _ in tails]

    return asyncio.run(ask())


def test_of_the_last_records_the_furthest_counts() -> None:
    assert answers([[], [told(5), told(7), told(6)]]) == [None, 7]  # 6: a stale writer's


def test_records_of_others_hide_no_progress() -> None:
    assert answers([[b"{poison", told(5), None, b"[]", b'{"next_bin":9}']]) == [5]


def test_a_broker_that_is_away_is_told_of_once_until_it_is_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    away = KafkaConnectionError("away")
    with caplog.at_level(logging.WARNING):
        assert answers([away, away, [told(5)], away, away]) == [None, None, 5, None, None]
    assert caplog.text.count("no progress can be read from tidecast.progress") == 2
