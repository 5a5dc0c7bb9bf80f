"""Admits the answers of a deep model to a live forecaster: those that come before a deadline."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

from aiokafka.errors import KafkaError

from tidecast.state.cuts import Admission
from tidecast.state.deep_forecast import DeepForecast
from tidecast.state.errors import ContractError, ServiceError
from tidecast.streams.deep_wire import parse_deep_forecast
from tidecast.streams.follow import Fetched
from tidecast.streams.metrics import note_admission

__all__ = ["Admitter", "Awaited"]

logger = logging.getLogger(__name__)
KEPT = 4  # answers: one that is awaited came among the last few, or not at all
PAUSE_SECONDS = 5.0

Say = Callable[[Admission], Awaitable[None]]
Follow = Callable[[int], AsyncIterator[list[Fetched]]]


class Awaited(NamedTuple):
    """The closing of ``origin_bin`` awaits an answer of ``shape`` (series, cell, lead)."""

    origin_bin: int
    shape: tuple[int, int, int]


class Admitter:
    """Waits for the answer that is awaited, and says in the forecaster's log what came of it.

    It waits for ``patience_seconds`` at most. When nothing has come it does not wait again before
    anything comes at all: a worker that is gone delays one forecast, not all of them. ``follow``
    yields what the topic of answers has, from so many records before its end on.
    """

    def __init__(self, say: Say, patience_seconds: float, follow: Follow) -> None:
        self.awaited: Awaited | None = None
        self._say = say
        self._patience_seconds = patience_seconds
        self._follow = follow
        self._answers: dict[int, DeepForecast] = {}
        self._news = asyncio.Event()
        self._is_heard = True
        self._deciding: asyncio.Task[None] | None = None
        self._listening: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Listen to answers from now on."""
        self.stop()
        self._listening = asyncio.create_task(self._listen())

    def stop(self) -> None:
        """Listen no more, and decide nothing."""
        self.begin(None)
        if self._listening is not None:
            self._listening.cancel()
        self._listening = None
        self._answers, self._is_heard = {}, True

    def begin(self, awaited: Awaited | None) -> None:
        """Wait for what is awaited now, and for nothing else."""
        if awaited == self.awaited:
            return
        if self._deciding is not None:
            self._deciding.cancel()
        self.awaited = awaited
        self._deciding = None if awaited is None else asyncio.create_task(self._decide(awaited))

    def check(self) -> None:
        """Raise what kept a decision from being written, or answers from being heard."""
        for task in (self._deciding, self._listening):
            if task is not None and task.done() and not task.cancelled():
                task.result()

    async def _decide(self, awaited: Awaited) -> None:
        started = time.perf_counter()
        said = await self._answer(awaited.origin_bin)
        if said is None:
            outcome = "late" if self._is_heard else "absent"
            self._is_heard = False
        elif said.mean.shape != awaited.shape or not said.is_sound:
            logger.warning("what %s says after bin %d is refused", said.model, said.origin_bin)
            outcome, said = "refused", None
        else:
            outcome = "admitted"
        note_admission(outcome, time.perf_counter() - started)
        await self._say(Admission(awaited.origin_bin, said))

    async def _answer(self, origin_bin: int) -> DeepForecast | None:
        """Return the answer to a bin, None where none has come in time."""
        try:
            async with asyncio.timeout(self._patience_seconds if self._is_heard else 0.0):
                while origin_bin not in self._answers:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return None
        return self._answers[origin_bin]

    async def _listen(self) -> None:
        while True:
            try:
                async for fetched in self._follow(KEPT):
                    for each in fetched:
                        self._hear(each)
            except (KafkaError, TimeoutError, ServiceError) as error:
                logger.warning("deep forecasts cannot be read: %r", error)
            await asyncio.sleep(PAUSE_SECONDS)

    def _hear(self, fetched: Fetched) -> None:
        for value in fetched.values[-KEPT:]:
            try:
                said = parse_deep_forecast(value or b"")
            except ContractError as error:
                logger.warning("a deep forecast is passed over: %s", error)
                continue
            self._answers.setdefault(said.origin_bin, said)
        for origin_bin in list(self._answers)[:-KEPT]:  # those that came first
            del self._answers[origin_bin]
        self._is_heard = True
        self._news.set()
