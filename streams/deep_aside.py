"""What stands beside a deep worker, in processes of their own: a judge of its models, trainings."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from pydantic import ValidationError

from tidecast.models.deep.contest import Decision
from tidecast.models.deep.registry import Registry
from tidecast.state.errors import CheckpointError, ServiceError
from tidecast.state.settings.deep import DeepSettings
from tidecast.streams.aside import run_aside
from tidecast.streams.metrics import note_decision, note_training

__all__ = ["DeepAside"]

logger = logging.getLogger(__name__)
LOOK_SECONDS = 5.0
JUDGE_AGAIN_SECONDS = 60.0
TRAIN_AGAIN_SECONDS = 3600.0


class DeepAside:
    """Runs commands of ``tidecast deep`` beside a worker; ``program`` begins each of them.

    ``judge`` runs while there is a champion with others beside it, ``retrain`` as often as the
    settings say. One that fails is told of and tried again later; the worker answers on.
    """

    def __init__(self, settings: DeepSettings, program: Sequence[str]) -> None:
        self._registry = Registry(settings.models)
        self._retrain_seconds = None if settings.retrain is None else settings.retrain / 1e6
        self._program = program

    async def run(self) -> None:
        """Go on until cancelled."""
        await asyncio.gather(self._judge(), self._train())

    async def _judge(self) -> None:
        while True:
            try:
                if await asyncio.to_thread(self._registry.line_up) is not None:
                    await self._run("judge", hear_decision)
                await asyncio.sleep(LOOK_SECONDS)
            except (OSError, CheckpointError, ServiceError) as error:
                logger.error("models are not judged for now: %s", error)
                await asyncio.sleep(JUDGE_AGAIN_SECONDS)

    async def _train(self) -> None:
        while self._retrain_seconds is not None:
            try:
                if is_due(self._registry, self._retrain_seconds, time.time()):
                    await self._run("retrain", hear_training)
                    note_training("made")
                await asyncio.sleep(LOOK_SECONDS)
            except (OSError, CheckpointError, ServiceError) as error:
                logger.error("no network is trained for now: %s", error)
                note_training("failed")
                await asyncio.sleep(min(self._retrain_seconds, TRAIN_AGAIN_SECONDS))

    async def _run(self, command: str, hear: Callable[[bytes], None]) -> None:
        await run_aside([*self._program, "deep", command, "--lifeline", "0"], hear)


def is_due(registry: Registry, after_seconds: float, now: float) -> bool:
    """Tell whether another network is to be trained ``now``, a Unix time.

    It is where the last one was written so long ago, and no challenger waits to be judged. The
    first one is made by hand.
    """
    line_up = registry.line_up()
    if line_up is not None and line_up.challengers:
        return False
    written = [registry.folder(name).stat().st_mtime for name in registry.names()]
    return bool(written) and now - max(written) >= after_seconds


def hear_decision(line: bytes) -> None:
    """Log and count a decision of the judge."""
    try:
        decision = Decision.model_validate_json(line)
    except ValidationError:
        logger.warning("the judge says what is no decision: %r", line)
        return
    note_decision(decision.outcome)
    logger.warning("model %s is %s: %s", decision.model, decision.outcome, decision.reason)


def hear_training(line: bytes) -> None:
    """Log what a training says."""
    logger.warning("a training beside: %s", line.decode(errors="replace").strip())
