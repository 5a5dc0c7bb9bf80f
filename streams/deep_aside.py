"""What stands beside a deep worker: the judge of its models, while there is anybody to judge."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from tidecast.models.deep.contest import Decision
from tidecast.models.deep.registry import Registry
from tidecast.state.errors import CheckpointError, ServiceError
from tidecast.streams.aside import run_aside
from tidecast.streams.metrics import note_decision

__all__ = ["DeepAside"]

logger = logging.getLogger(__name__)
LOOK_SECONDS = 5.0
AGAIN_SECONDS = 60.0


class DeepAside:
    """Runs ``tidecast deep judge`` beside a worker, as ``program`` begins every command.

    One that has ended is started again while there is a champion with others beside it.
    """

    def __init__(self, root: Path, program: Sequence[str]) -> None:
        self._registry = Registry(root)
        self._program = program

    async def run(self) -> None:
        """Go on until cancelled; what goes wrong is told of, and tried again."""
        while True:
            try:
                if await asyncio.to_thread(self._registry.line_up) is not None:
                    await run_aside([*self._program, "deep", "judge", "--lifeline", "0"], hear)
                await asyncio.sleep(LOOK_SECONDS)
            except (CheckpointError, ServiceError) as error:
                logger.error("models are not judged for now: %s", error)
                await asyncio.sleep(AGAIN_SECONDS)


def hear(line: bytes) -> None:
    """Log and count a decision of the judge."""
    try:
        decision = Decision.model_validate_json(line)
    except ValidationError:
        logger.warning("the judge says what is no decision: %r", line)
        return
    note_decision(decision.outcome)
    logger.warning("model %s is %s: %s", decision.model, decision.outcome, decision.reason)
