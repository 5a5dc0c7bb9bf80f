"""What a Faust worker does, apart from Faust: take batches, and checkpoint in the commit order.

The commit order, followed by every role:

1. produce the outputs of what was read;
2. await their delivery;
3. write the checkpoint (state and position), and await it;
4. only then let the position of that checkpoint be committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

from faust.types import TP

from tidecast.state.partition import Batch

__all__ = ["Role", "Waiting"]

Waiting = asyncio.Future[None] | None
"""What to wait for before the next step, while others have their turn; None: nothing."""


class Role(Protocol):
    """One stage of the flow: ingest, forecast or sink."""

    name: str
    groups: Mapping[str, Sequence[str]]
    """The agents of this role, and the topics that each reads."""

    checkpoint_seconds: float

    trouble: str | None
    """Why this worker does not get on at present though nothing is wrong with it."""

    async def open(self, assigned: Sequence[TP]) -> dict[TP, int]:
        """Load the checkpoints of newly ``assigned`` partitions; return where reading goes on."""
        ...

    def take(self, tp: TP, batch: Batch) -> AsyncIterator[Waiting]:
        """Fold one batch and send its outputs; yield wherever a checkpoint may be taken.

        Where it must wait for longer than a moment, it yields what it waits for.
        """
        ...

    async def idle(self) -> None:
        """Decide what only silence and the wall clock can."""
        ...

    async def checkpoint(self) -> dict[TP, int]:
        """Follow the commit order up to its third step; return the positions now durable."""
        ...
