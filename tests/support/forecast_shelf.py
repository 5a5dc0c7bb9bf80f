"""A forecast worker's topics and checkpoints, in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from faust.types import TP
from slabs import SETTINGS

from tidecast.state.cuts import InputMessage
from tidecast.state.partition import Batch
from tidecast.streams import forecast
from tidecast.streams.checkpoints import Checkpoint, CheckpointLog, Owner
from tidecast.streams.forecast import ForecastRole
from tidecast.streams.wire import encode_input

PLACE = TP("tidecast.cuts", 0)
FINGERPRINT = SETTINGS.fingerprint()


class Shelf:
    """Stands for the broker's topics: keeps what is sent, and checkpoints in memory."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sent: list[tuple[str, bytes]] = []
        self.kept: dict[Owner, Checkpoint] = {}
        monkeypatch.setattr(CheckpointLog, "read", self._read)
        monkeypatch.setattr(CheckpointLog, "write", self._write)
        monkeypatch.setattr(forecast, "partition_counts", lambda *_: {"c": 2, "o": 1})

    async def send(self, topic: str, value: bytes, *_: Any, **__: Any) -> asyncio.Future[None]:
        self.sent.append((topic, value))
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    async def delivered(self) -> None: ...

    async def _read(self, owners: list[Owner]) -> dict[Owner, Checkpoint]:
        return {owner: self.kept[owner] for owner in owners if owner in self.kept}

    async def _write(self, sender: Any, owner: Owner, checkpoint: Checkpoint) -> None:
        self.kept[owner] = checkpoint

    def values(self, topic: str) -> list[Any]:
        return [json.loads(value) for name, value in self.sent if name == f"tidecast.{topic}"]

    def run(self, *messages: InputMessage, first: int = 0) -> None:
        """Start a worker, let it take the messages, and stop it after a checkpoint."""
        asyncio.run(self._run(messages, first))

    async def _run(self, messages: Sequence[InputMessage], first: int) -> None:
        role = ForecastRole(SETTINGS, self)  # type: ignore[arg-type]
        await role.open([PLACE])
        await take(role, *messages, first=first)
        await (await role.checkpoint())


async def take(role: ForecastRole, *messages: InputMessage, first: int = 0) -> None:
    """Let a role take the messages, the first of which stands at offset ``first``."""
    values = [encode_input(message, FINGERPRINT) for message in messages]
    offsets = np.arange(first, first + len(values))
    async for _ in role.take(PLACE, Batch(offsets, values)):
        pass
