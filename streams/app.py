"""The Faust app of one role: wires its agents to batches, checkpoints and commits."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import tempfile
from collections.abc import AsyncIterator, Callable
from typing import Any

from tidecast.state.errors import TidecastError
from tidecast.state.settings import Settings
from tidecast.streams import fast_records
from tidecast.streams.clients import faust_options
from tidecast.streams.forecast import ForecastRole
from tidecast.streams.ingest import IngestRole
from tidecast.streams.role import Role
from tidecast.streams.sender import Sender
from tidecast.streams.sink import SinkRole
from tidecast.streams.transport import FETCH_BYTES, BatchApp, RawBatches

__all__ = ["ROLES", "make_app"]

logger = logging.getLogger(__name__)
ROLES: dict[str, Callable[[Settings, Sender], Role]] = {
    "ingest": IngestRole,
    "forecast": ForecastRole,
    "sink": SinkRole,
}
IDLE_SECONDS = 1.0
LARGEST_RECORD = 64 * 1024 * 1024


def make_app(settings: Settings, role: str, slot: str | None = None) -> Any:
    """Return the Faust app of a worker; ``slot`` is its stable name for static membership."""
    fast_records.install()
    group = f"{settings.kafka.group}.{role}"
    app = BatchApp(
        group,
        **faust_options(settings.kafka),
        consumer_group_instance_id=None if slot is None else f"{group}.{slot}",
        datadir=tempfile.mkdtemp(prefix="tidecast-"),
        store="memory://",
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        table_standby_replicas=0,
        broker_session_timeout=10.0,
        broker_heartbeat_interval=1.0,
        broker_commit_interval=1.0,
        broker_request_timeout=60.0,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=FETCH_BYTES,
        stream_buffer_maxsize=16,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        producer_linger=0.005,
        producer_acks=-1,
        producer_compression_type="lz4",
        producer_max_request_size=LARGEST_RECORD,
        producer_max_batch_size=512 * 1024,
        worker_redirect_stdouts=False,
    )
    Shell(app, ROLES[role](settings, Sender(app)))
    return app


class Shell:
    """Drives a role by Faust's events; one step at a time, so that checkpoints are consistent."""

    def __init__(self, app: Any, role: Role) -> None:
        self._app = app
        self._role = role
        self._turn = asyncio.Lock()
        self._is_open = False
        for name, topics in role.groups.items():
            app.agent(app.topic(*topics, schema=RawBatches()), name=f"tidecast-{name}")(self._run)
        app.task(self._every(role.checkpoint_seconds, self._checkpoint))
        app.task(self._every(IDLE_SECONDS, self._idle))
        app.on_rebalance_complete.connect(self._assigned, weak=False)
        app.on_partitions_revoked.connect(self._revoked, weak=False)
        gc.set_threshold(100_000, 20, 20)  # a third of the time went into collecting

    async def _run(self, stream: Any) -> None:
        async for event in stream.noack().events():
            steps = self._role.take(event.message.tp, event.value)
            done = False
            while not done:
                async with self._turn:
                    generation = self._app.consumer_generation_id
                    if not self._is_open or event.message.generation_id != generation:
                        break
                    done = await self._guarded(_is_done(steps))

    def _every(self, seconds: float, work: Callable[[], Any]) -> Callable[[], Any]:
        """Return a task that does ``work`` again and again; ``seconds`` pass in between."""

        async def repeat() -> None:
            while not self._app.should_stop:
                await asyncio.sleep(seconds)
                async with self._turn:
                    if self._is_open:
                        await work()

        return repeat

    async def _assigned(self, *_: Any, **__: Any) -> None:
        topics = {topic for group in self._role.groups.values() for topic in group}
        assigned = sorted(tp for tp in self._app.consumer.assignment() if tp.topic in topics)
        async with self._turn:
            positions = await self._guarded(self._role.open(assigned))
            self._app.consumer.positions = positions or {}
            self._is_open = positions is not None
        logger.info("assigned: %s", {f"{t}/{p}" for t, p in assigned})

    async def _revoked(self, *_: Any, **__: Any) -> None:
        async with self._turn:
            if self._is_open:
                await self._checkpoint()
                self._is_open = False

    async def _checkpoint(self) -> None:
        self._app.consumer.safe.update(await self._guarded(self._role.checkpoint()) or {})

    async def _idle(self) -> None:
        consumer = self._app.consumer
        known = {tp: consumer.highwater(tp) for tp in consumer.assignment()}
        ends = {tp: end for tp, end in known.items() if end is not None}
        await self._guarded(self._role.idle(ends))

    async def _guarded(self, work: Any) -> Any:
        """Await ``work``; an error stops the worker, for Faust would try the batch for ever."""
        try:
            return await work
        except TidecastError as error:
            self._app.failure = error
            signal.raise_signal(signal.SIGTERM)  # whoever runs the worker says the error
        except Exception as error:
            logger.critical("%s", error, exc_info=error)
            await self._app.crash(error)
        self._is_open = False
        return None


async def _is_done(steps: AsyncIterator[None]) -> bool:
    """Take one step; tell whether it was the last."""
    try:
        await anext(steps)
    except StopAsyncIteration:
        return True
    return False
