"""What a Faust worker does, apart from Faust: take batches, and checkpoint in the commit order.

The commit order, followed by every role:

1. produce the outputs of what was read, and copy the state and position reached by it;
2. await the delivery of those outputs;
3. write the copy as a checkpoint, and await it;
4. only then let the position of that checkpoint be committed.

Nothing is folded while the state is copied; from the second step on folding goes on beside it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from typing import Any, Protocol

from faust.types import TP

from tidecast.state.partition import Batch

__all__ = ["Role", "Save", "Waiting"]

Waiting = asyncio.Future[None] | None
"""What to wait for before the next step, while others have their turn; None: nothing."""

Save = Coroutine[Any, Any, dict[TP, int]]
"""The second and third step of the commit order; gives the positions that are durable then."""


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

    async def checkpoint(self) -> Save:
        """Copy the state, while nothing is folded; return what makes it durable meanwhile.

        It is awaited before the next one is asked for, or given up together with the partitions.
        """
        ...
