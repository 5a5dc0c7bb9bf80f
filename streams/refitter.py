"""The refits of a live forecaster: begun when they are due, decided in its input log."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

from tidecast.models.periodic.examples import TrainingRows
from tidecast.models.periodic.refits import DueRefit
from tidecast.state.cuts import Refit
from tidecast.state.errors import ServiceError
from tidecast.streams.metrics import note_refit
from tidecast.streams.refit_process import fit_apart

__all__ = ["LONGEST_PATIENCE_SECONDS", "Refitter"]

logger = logging.getLogger(__name__)
LONGEST_PATIENCE_SECONDS = 60.0

Fit = Callable[[Sequence[TrainingRows]], Awaitable[tuple[bytes, ...]]]
Say = Callable[[Refit], Awaitable[None]]


class Refitter:
    """Fits what is due beside the forecaster, and says in its log what that has given.

    What takes longer than ``patience_seconds`` is not waited for: the log then says to go on
    without, and later what came of it. Where the fit fails it only says to go on without.
    """

    def __init__(self, say: Say, patience_seconds: float, fit: Fit = fit_apart) -> None:
        self.due: DueRefit | None = None
        """What it was last told to be due."""
        self._say = say
        self.patience_seconds = patience_seconds
        self._fit = fit
        self._task: asyncio.Task[None] | None = None

    def begin(self, due: DueRefit | None, rows: Sequence[TrainingRows]) -> None:
        """Give up what was begun, and begin what is due now; None is nothing."""
        if self._task is not None:
            self._task.cancel()
        self.due = due
        self._task = None if due is None else asyncio.create_task(self._make(due, rows))

    def check(self) -> None:
        """Raise what kept a decision from being written, if anything did."""
        if self._task is not None and self._task.done() and not self._task.cancelled():
            self._task.result()

    async def _make(self, due: DueRefit, rows: Sequence[TrainingRows]) -> None:
        started, outcome = time.perf_counter(), "made"
        fit = asyncio.ensure_future(self._fit(rows))
        try:
            done, _ = await asyncio.wait({fit}, timeout=self.patience_seconds)
            if not done:
                outcome = "late"
                await self._say(Refit(*due, None))
            refit = Refit(*due, await fit)
        except ServiceError as error:
            logger.error("the refit of %s after bin %d failed: %s", *due, error)
            outcome, refit = "failed", Refit(*due, None)
        finally:
            fit.cancel()
        await self._say(refit)
        note_refit(due.expert, outcome, time.perf_counter() - started)
