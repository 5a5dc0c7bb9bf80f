"""The deep worker's loop: windows in, deep forecasts out, outside any consumer group.

It keeps nothing: what it must know of the past is the tail of the windows topic. So it may be
killed and started anew at any time, and several may run side by side: of their answers to one bin
the first that comes counts.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from faust.types import TP

from tidecast.models.deep.live import LiveModel
from tidecast.models.deep.worker import DeepWorker
from tidecast.state.errors import ServiceError
from tidecast.state.settings import Settings
from tidecast.streams.backoff import Backoff
from tidecast.streams.clients import aiokafka_options
from tidecast.streams.deep_models import ModelShelf
from tidecast.streams.deep_windows import tell
from tidecast.streams.deep_wire import encode_deep_forecast
from tidecast.streams.follow import Fetched, follow
from tidecast.streams.health import Health
from tidecast.streams.metrics import note_deep_answer
from tidecast.streams.threads import OneThread
from tidecast.streams.topics import topic_names

__all__ = ["DeepLoop"]

logger = logging.getLogger(__name__)
LARGEST_RECORD = 64 << 20
LOOK_SECONDS = 5.0
WITHOUT_SECONDS = 1.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 15.0


class DeepLoop:
    """Answers the windows of the settings' topic, with the models of their folder."""

    def __init__(self, settings: Settings) -> None:
        self.health = Health("deep")
        self._settings = settings
        self._topics = topic_names(settings.kafka.topic_prefix)
        self._series = [series.name for series in settings.series]
        self._models = ModelShelf(settings)
        self._model: LiveModel | None = None
        self._looked = -LOOK_SECONDS
        self._thread = OneThread("deep")

    async def run(self) -> None:
        """Answer until cancelled; a broker that is away is waited for."""
        pause = Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        while True:
            try:
                await self._session(await self._some_model(), pause)
            except (KafkaError, TimeoutError, ServiceError) as error:
                logger.warning("the deep worker waits for the broker: %r", error)
                self.health.tick("the broker is away", 0.0)
                await asyncio.sleep(pause.next())

    async def _some_model(self) -> LiveModel:
        """Return the model to begin with, as soon as there is one."""
        while True:
            await self._look()
            if self._model is not None:
                return self._model
            self.health.tick(self._models.lack, 0.0)
            await asyncio.sleep(WITHOUT_SECONDS)

    async def _look(self) -> bool:
        """Look for another model from time to time; return whether there is one now."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return False
        found = await self._thread.run(self._models.look)
        self._looked = time.monotonic()
        self._model = found or self._model
        return found is not None

    async def _session(self, model: LiveModel, pause: Backoff) -> None:
        """Answer from the tail of the topic on, until a model looks back further than that."""
        worker = DeepWorker(model, len(self._series), self._settings.regions)
        back = 2 * worker.context_length  # there may be as many corrections as bins
        windows = follow(self._settings.kafka, self._topics.windows, back)
        async with aclosing(windows), self._producer() as producer:
            async for fetched in windows:
                pause.reset()
                self._note(worker, fetched)
                if all(each.is_last for each in fetched):
                    await self._answer(worker, producer)
                if await self._look() and self._model is not None:
                    if self._model.context_length > worker.context_length:
                        return
                    worker.model = self._model

    def _note(self, worker: DeepWorker, fetched: Sequence[Fetched]) -> None:
        """Tell the worker of all windows that were fetched."""
        self.health.tick(None, 0.0)
        for partition, values, is_last in fetched:
            self.health.assigned({TP(self._topics.windows, partition): 0 if is_last else None})
            for value in values:
                tell(worker, self._series, partition, value)

    async def _answer(self, worker: DeepWorker, producer: Any) -> None:
        """Send what is said of bins that have closed; nothing that goes wrong with it ends us."""
        started = time.perf_counter()
        try:
            answers = await self._thread.run(lambda: list(worker.answers()))
        except Exception as error:  # noqa: BLE001 - the edge: the next bin may fare better
            logger.error("a bin cannot be answered: %r", error)
            note_deep_answer("failed", time.perf_counter() - started)
            return
        for shard, said in answers:
            note_deep_answer("unsound" if said is None else "sound", time.perf_counter() - started)
            if said is not None:
                value = encode_deep_forecast(said)
                await producer.send_and_wait(self._topics.deep_forecasts, value, partition=shard)

    @asynccontextmanager
    async def _producer(self) -> AsyncIterator[Any]:
        producer = AIOKafkaProducer(
            **aiokafka_options(self._settings.kafka),
            acks="all",
            compression_type="lz4",
            max_request_size=LARGEST_RECORD,
        )
        try:
            await producer.start()
            yield producer
        finally:
            await producer.stop()
