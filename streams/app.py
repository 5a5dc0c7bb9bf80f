"""The Faust app of one role: wires its agents to batches, checkpoints and commits."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Literal

from faust.types import TP

from tidecast.state.errors import ServiceError
from tidecast.state.partition import Batch
from tidecast.state.settings import Settings
from tidecast.streams import fast_records
from tidecast.streams.clients import faust_options
from tidecast.streams.consumer_thread import FETCH_BYTES
from tidecast.streams.course import Course
from tidecast.streams.health import Health
from tidecast.streams.metrics import STANDSTILL_SECONDS, forget_places
from tidecast.streams.pace import Pace
from tidecast.streams.role import Role, Save, Waiting
from tidecast.streams.sender import Sender
from tidecast.streams.transport import BatchApp, Fetched, RawBatches
from tidecast.streams.upstream import KafkaUpstream, Upstream

__all__ = ["ROLES", "make_app"]

logger = logging.getLogger(__name__)
IDLE_SECONDS = 1.0
TICK_SECONDS = 1.0
FOREVER_SECONDS = 7 * 24 * 3600.0  # a store may be away for long: that is no reason to be expelled
PRODUCER_SECONDS = 120.0  # a broker that is away for longer ends the worker
LAST_SECONDS = 6.0  # others wait for the partitions while a last checkpoint is taken
WAIT_SECONDS = 1.0  # a step that waits looks after so long whether it is still wanted
METADATA_MS = 30_000  # new partitions of a topic are found within this
LARGEST_RECORD = 64 * 1024 * 1024
LOST_GROUP = (
    "the worker is out of its consumer group for good ({error!r}): see that the broker runs and "
    "lets us in; it goes on from its last checkpoint when it is started again"
)


def _ingest(settings: Settings, sender: Sender, upstream: Upstream) -> Role:
    from tidecast.streams.ingest import IngestRole

    return IngestRole(settings, sender, upstream)


def _forecast(settings: Settings, sender: Sender, _: Upstream) -> Role:
    from tidecast.streams.forecast import ForecastRole

    return ForecastRole(settings, sender)


def _sink(settings: Settings, sender: Sender, _: Upstream) -> Role:
    from tidecast.streams.sink import SinkRole

    return SinkRole(settings, sender)


# Imported when they are made: River alone takes longer to import than a whole sink.
ROLES: dict[str, Callable[[Settings, Sender, Upstream], Role]] = {
    "ingest": _ingest,
    "forecast": _forecast,
    "sink": _sink,
}


def make_app(settings: Settings, role: str, slot: str | None = None) -> Any:
    """Return the Faust app of a worker; ``slot`` is its stable name for static membership."""
    fast_records.install()
    group = f"{settings.kafka.group}.{role}"
    app = BatchApp(
        group,
        **faust_options(settings.kafka),
        consumer_group_instance_id=None if slot is None else f"{group}.{slot}",
        store="memory://",
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        table_standby_replicas=0,
        broker_session_timeout=8.0,
        broker_max_poll_interval=FOREVER_SECONDS,
        broker_heartbeat_interval=1.0,
        broker_commit_interval=1.0,
        broker_request_timeout=60.0,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=FETCH_BYTES,
        consumer_metadata_max_age_ms=METADATA_MS,
        producer_metadata_max_age_ms=METADATA_MS,
        stream_buffer_maxsize=4,  # messages, of some MiB each
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        producer_request_timeout=PRODUCER_SECONDS,
        producer_linger=0.005,
        producer_acks=-1,
        producer_compression_type="lz4",
        producer_max_request_size=LARGEST_RECORD,
        producer_max_batch_size=512 * 1024,
        worker_redirect_stdouts=False,
    )
    app.shell = Shell(app, ROLES[role](settings, Sender(app), KafkaUpstream(settings, app)))
    return app


Done = Literal["done"]


class Shell:
    """Drives a role by Faust's events; one step at a time, so that checkpoints are consistent."""

    def __init__(self, app: Any, role: Role) -> None:
        self._app = app
        self._role = role
        self._turn = asyncio.Lock()
        self._is_open = False
        self._saving: asyncio.Task[None] | None = None
        self._taking = 0
        self._course = Course(time.monotonic)
        self._pace = Pace()
        self.health = Health(role.name)
        for name, topics in role.groups.items():
            app.agent(app.topic(*topics, schema=RawBatches()), name=f"tidecast-{name}")(self._run)
        app.task(self._keep)
        app.task(self._idle)
        app.task(self._watch)
        app.on_rebalance_complete.connect(self._assigned, weak=False)
        app.on_partitions_revoked.connect(self._revoked, weak=False)
        gc.set_threshold(100_000, 20, 20)  # a third of the time went into collecting

    async def _run(self, stream: Any) -> None:
        async for event in stream.noack().events():
            self._taking += 1
            try:
                await self._take(event.message, event.value)
            finally:
                self._taking -= 1

    async def _take(self, message: Any, fetched: Fetched) -> None:
        async with self._turn:
            if not self._is_wanted(message) or not await self._is_next(message.tp, fetched):
                return
        steps = self._role.take(message.tp, fetched.batch)
        while (waiting := await self._step(steps, message, fetched.batch)) != "done":
            if waiting is not None:
                await asyncio.wait({waiting}, timeout=WAIT_SECONDS)

    def _is_wanted(self, message: Any) -> bool:
        is_ours: bool = message.generation_id == self._app.consumer_generation_id
        return self._is_open and is_ours

    async def _is_next(self, tp: TP, fetched: Fetched) -> bool:
        """Tell whether a batch goes on where the one before ended; see to it that one does."""
        verdict = self._course.judge(tp, fetched.since)
        if verdict == "hole":
            await self._seek(tp)
        return verdict == "next"

    async def _seek(self, tp: TP) -> None:
        """Read on from where the last batch ended, or from where the group has committed."""
        position = self._course.position(tp)
        if position is None:
            position = await self._app.consumer.starting_point(tp)
        if position is not None and self._course.may_seek(tp, position):
            self._course.went_on(tp, position)
            await self._app.consumer.go_to({tp: position})

    async def _step(
        self, steps: AsyncIterator[Waiting], message: Any, batch: Batch
    ) -> Waiting | Done:
        """Take one step when it is our turn; ``"done"`` when none is left or none is wanted."""
        async with self._turn:
            if not self._is_wanted(message):
                return "done"
            step: Waiting | Done = await self._whole(anext(steps, "done"))
            if step == "done":
                self._course.went_on(message.tp, int(batch.offsets[-1]) + 1)
                self._pace.took(message.tp, batch)
        return step

    async def _keep(self) -> None:
        """Take one checkpoint after the other, beside the steps."""
        while not self._app.should_stop:
            await asyncio.sleep(self._role.checkpoint_seconds)
            async with self._turn:
                if self._is_open:
                    await self._begin_save()
            await self._saved()

    async def _idle(self) -> None:
        """Let the role decide, again and again, what only silence and the wall clock can."""
        while not self._app.should_stop:
            await asyncio.sleep(IDLE_SECONDS)
            async with self._turn:
                if self._is_open:
                    await self._whole(self._role.idle())

    async def _assigned(self, *_: Any, **__: Any) -> None:
        topics = {topic for group in self._role.groups.values() for topic in group}
        assigned = sorted(tp for tp in self._app.consumer.assignment() if tp.topic in topics)
        async with self._turn:
            forget_places()
            positions = await self._guarded(self._role.open(assigned))
            self._app.consumer.positions = positions or {}
            self._course.assigned(dict.fromkeys(assigned) | (positions or {}))
            self._is_open = positions is not None
        self._pace.assigned(assigned, positions or {})
        logger.info("assigned: %s", {f"{t}/{p}" for t, p in assigned})

    async def _revoked(self, *_: Any, **__: Any) -> None:
        self.health.assigned(None)
        async with self._turn:
            await self._close()

    async def finish(self, seconds: float) -> None:
        """Take a last checkpoint and commit it, if that can be done in time."""
        last = asyncio.create_task(self._finish())
        done, _ = await asyncio.wait({last}, timeout=seconds)  # Faust's commit resists cancelling
        if not done:
            logger.warning("no last checkpoint within %.0f s: the one before counts", seconds)

    async def _finish(self) -> None:
        async with self._turn:
            if self._is_open:
                await self._close()
                await self._app.consumer.commit()

    async def _close(self) -> None:
        """Take a last checkpoint, whole and awaited; what is not saved in time is given up."""
        if self._is_open:
            try:
                async with asyncio.timeout(LAST_SECONDS):
                    await self._saved()
                    await self._begin_save()
                    await self._saved()
            except TimeoutError:
                logger.warning(
                    "no last checkpoint within %.0f s: the one before counts", LAST_SECONDS
                )
            self._is_open = False
        if self._saving is not None:
            self._saving.cancel()

    async def _begin_save(self) -> None:
        """Copy the state, with the turn held; what makes it durable goes on beside the steps."""
        started, generation = time.perf_counter(), self._app.consumer_generation_id
        save = await self._whole(self._role.checkpoint())
        STANDSTILL_SECONDS.observe(time.perf_counter() - started)
        if save is not None:
            self._saving = asyncio.create_task(self._save(save, generation))

    async def _save(self, save: Save, generation: int) -> None:
        """Let be committed what a save has made durable, if it is still ours."""
        positions = await self._guarded(save)
        if positions and generation == self._app.consumer_generation_id:
            self._app.consumer.safe.update(positions)

    async def _saved(self) -> None:
        """Wait for the end of the save under way."""
        if self._saving is not None:
            await asyncio.wait({self._saving})

    async def _watch(self) -> None:
        """Tell the probes again and again how the worker fares; end it where it waits for ever."""
        while not self._app.should_stop:
            self.health.tick(self._role.trouble, self._pace.records_per_second())
            if (error := self._app.consumer.lost()) is not None:
                self._fail(ServiceError(LOST_GROUP.format(error=error)))
            if self._is_open:
                await self._mend()
                await self._app.consumer.watch_partitions()
                self.health.assigned(await self._pace.lags(self._app.consumer))
            await asyncio.sleep(TICK_SECONDS)

    async def _mend(self) -> None:
        """Read again what was handed over and never came."""
        if self._taking or self._turn.locked():
            return
        for tp in self._course.missing(self._app.consumer.handed):
            async with self._turn:
                logger.warning("%s/%d: what was fetched did not come, it is read again", *tp)
                await self._seek(tp)

    async def _whole(self, work: Any) -> Any:
        """Await ``work`` with the turn held; where it is left halfway no save may follow.

        A step that Faust cancels, as it ends, may have folded what it has not sent.
        """
        try:
            return await self._guarded(work)
        except asyncio.CancelledError:
            self._is_open = False
            raise

    async def _guarded(self, work: Any) -> Any:
        """Await ``work``; an error stops the worker, for Faust would try the batch for ever."""
        try:
            return await work
        except Exception as error:  # noqa: BLE001 - the edge: it ends the worker, told by its runner
            self._fail(error)
        return None

    def _fail(self, error: Exception) -> None:
        """End the worker, which takes no checkpoint any more; whoever runs it says the error."""
        self._is_open = False
        self.health.fail(str(error))
        if self._app.failure is None:
            self._app.failure = error
            signal.raise_signal(signal.SIGTERM)
