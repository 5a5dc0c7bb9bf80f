"""Checkpoints where the broker is away; `tests/integration/test_checkpoints.py` has a real one."""

from __future__ import annotations

import asyncio
import logging
import socket
from types import SimpleNamespace
from typing import Any

import pytest
from slabs import settings_with

from tidecast.state.errors import ServiceError
from tidecast.state.settings import Settings
from tidecast.streams.checkpoints import TRIM_EVERY, Checkpoint, CheckpointLog, Owner
from tidecast.streams.trim import find_spare

OWNER = Owner.shard(0)


@pytest.fixture
def away() -> Settings:
    """Return the settings of a broker of which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    return settings_with(kafka={"bootstrap": f"127.0.0.1:{port}"})


class Topic:
    """Acknowledges what is sent to it, record by record."""

    def __init__(self) -> None:
        self.end = 0

    async def send(self, *_: Any, **__: Any) -> asyncio.Future[Any]:
        promise = asyncio.get_running_loop().create_future()
        promise.set_result(SimpleNamespace(offset=self.end))
        self.end += 1
        return promise


def test_a_reader_is_told_that_the_broker_is_away(
    away: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ServiceError, match=f"broker at {away.kafka.bootstrap}"):
        asyncio.run(CheckpointLog(away).read([OWNER]))
    assert "Unclosed" not in caplog.text


def test_whoever_asks_what_may_go_is_told_that_the_broker_is_away(away: Settings) -> None:
    with pytest.raises(ServiceError, match=f"no Kafka broker answers at {away.kafka.bootstrap}"):
        find_spare(away)


def test_checkpoints_are_written_on_while_old_ones_cannot_be_deleted(
    away: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    async def write(topic: Any) -> None:
        log = CheckpointLog(away)
        for position in range(TRIM_EVERY + 1):
            await log.write(topic, OWNER, Checkpoint(position, b"state"))

    topic = Topic()
    with caplog.at_level(logging.WARNING):
        asyncio.run(write(topic))
    assert topic.end == 2 * (TRIM_EVERY + 1)
    assert caplog.text.count("old checkpoints could not be deleted") == 1
