"""Forecast: cuts and decisions in; windows, predictions, scores and progress out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from faust.types import TP

from tidecast.models.deep_expert import DeepExpert
from tidecast.models.fold import Closed, ForecastFold, Given, Opened
from tidecast.state.bins import BinGrid
from tidecast.state.checkpoint import compress
from tidecast.state.cuts import Admission, Announcement, PartitionList, Refit
from tidecast.state.partition import Batch
from tidecast.state.settings import Settings
from tidecast.state.slabs import LateBins
from tidecast.streams.admitter import Admitter, Awaited
from tidecast.streams.announcer import Announcer
from tidecast.streams.checkpoints import Checkpoint, CheckpointLog, Owner
from tidecast.streams.follow import follow
from tidecast.streams.guards import GuardLog
from tidecast.streams.metrics import ForecastMetrics
from tidecast.streams.refitter import LONGEST_PATIENCE_SECONDS, Refitter
from tidecast.streams.role import Save
from tidecast.streams.sender import Sender
from tidecast.streams.threads import OneThread
from tidecast.streams.topics import partition_counts, topic_names
from tidecast.streams.wire import (
    encode_input,
    encode_late_bins,
    encode_predictions,
    encode_progress,
    encode_scores,
    encode_window,
    parse_input,
)

__all__ = ["ForecastOutput", "ForecastRole"]

Sent = tuple[str, bytes | None, bytes]  # topic, key, value


class ForecastOutput:
    """Turns what the fold gives into records. No broker needed."""

    def __init__(self, settings: Settings) -> None:
        self.topics = topic_names(settings.kafka.topic_prefix)
        self.series = [series.name for series in settings.series]
        self._levels = settings.forecast.quantile_levels
        self.grid = BinGrid(settings.bins.width, settings.shop.time_zone)

    def records(self, closed: Given) -> Iterator[Sent]:
        """Yield (topic, key, value) of every record, in the order of sending."""
        if isinstance(closed, LateBins):
            yield self.topics.late, None, encode_late_bins(closed, self.grid)
            return
        cells, series, grid = closed.cells, self.series, self.grid
        if isinstance(closed, Opened) or not closed.is_told:
            window = encode_window(closed.slab, cells, series, grid, closed.known)
            yield self.topics.windows, None, window
        if isinstance(closed, Opened):
            return
        if closed.scores is not None:
            yield self.topics.scores, None, encode_scores(closed.scores, series, grid)
        if closed.forecast is None:
            return
        for forecast, rows, names in closed.forecast.parts(cells, series):
            keys = [f"{name}|{r.region}|{r.category}".encode() for name in names for r in rows]
            values = encode_predictions(forecast, rows, names, self._levels, grid)
            for key, value in zip(keys, values, strict=True):
                yield self.topics.predictions, key, value

    def progress(self, shard: int, next_bin: int, position: int) -> Sent:
        """Return the record that says how far time has come."""
        return self.topics.progress, None, encode_progress(shard, next_bin, position, self.grid)


class ForecastRole:
    """Folds the cuts topic; one shard, one partition."""

    name = "forecast"
    checkpoint_seconds = 10.0
    trouble: str | None = None

    def __init__(self, settings: Settings, sender: Sender) -> None:
        self._output = ForecastOutput(settings)
        self.groups: Mapping[str, Sequence[str]] = {"forecast": [self._output.topics.cuts]}
        self._settings = settings
        self._fingerprint = settings.fingerprint()
        self._sender = sender
        self._log = CheckpointLog(settings)
        self._thread = OneThread("forecast")
        self._metrics = ForecastMetrics()
        self._fold = ForecastFold(settings, refits_are_decided=True)
        self._guards = GuardLog(self._fold.forecaster)
        half_a_bin = self._output.grid.nominal_width / 2e6
        self._refitter = Refitter(self._decide, min(half_a_bin, LONGEST_PATIENCE_SECONDS))
        self._announcer = Announcer(settings, self._decide, self._refuse)
        answers = partial(follow, settings.kafka, self._output.topics.deep_forecasts)
        self._admitter = Admitter(self._decide, settings.deep.deadline / 1e6, answers)
        self._place: TP | None = None
        self._position = 0
        self._told: int | None = None  # the next bin, as last written to the progress topic
        self._is_changed = False

    async def open(self, assigned: Sequence[TP]) -> dict[TP, int]:
        """Load the shard's checkpoint; without one, decide the list of source partitions."""
        self._place = next(iter(assigned), None)
        self._refitter.begin(None, ())
        self._announcer.begin({})
        self._admitter.stop()
        if self._place is None:
            return {}
        owner = Owner.shard(self._place.partition)
        found = (await self._log.read([owner])).get(owner)
        self._fold = ForecastFold(self._settings, refits_are_decided=True)
        self._position, self._told = 0, None
        if found is not None:
            await self._thread.run(self._fold.restore, found.data)
            self._position = found.position
        self._guards = GuardLog(self._fold.forecaster)
        self._announcer.begin(self._fold.announced.positions)
        if self._fold.slabs.inputs is None:  # nothing was read yet, or a warm-up has ended
            await self._announcer.catch_up()  # before the list, without which there is no slab
            await self._list_partitions()
        self._announcer.follow()
        if DeepExpert.name in self._settings.forecast.experts:
            self._admitter.start()
        await self._tell_progress(self._place)
        await self._begin_refit()
        return {self._place: self._position}

    async def _list_partitions(self) -> None:
        """Write down the source partitions that slabs wait for; the first such record wins."""
        topics = {source.topic: source.name for source in self._settings.sources}
        counts = await asyncio.to_thread(partition_counts, self._settings.kafka, topics)
        listed = [(topics[topic], n) for topic, count in counts.items() for n in range(count)]
        await self._decide(PartitionList(tuple(sorted(listed))))

    async def _decide(self, decision: PartitionList | Refit | Announcement | Admission) -> None:
        """Write a decision down; it counts when it is read back."""
        if self._place is not None:
            value = encode_input(decision, self._fingerprint)
            topic, partition = self._place
            await (await self._sender.send(topic, value, partition=partition))

    async def _refuse(self, letter: bytes) -> None:
        await (await self._sender.send(self._output.topics.dead_letters, letter))

    async def _begin_refit(self) -> None:
        """Begin the refit that is due, if it is another than the one begun."""
        refits = self._fold.forecaster.refits
        if (due := refits.due) != self._refitter.due:
            rows = await self._thread.run(refits.training_rows, due) if due is not None else ()
            self._refitter.begin(due, rows)

    def _awaited(self) -> Awaited | None:
        """Return what the bin that is open awaits of a deep model."""
        opened, forecast = self._fold.opened, self._settings.forecast
        if opened is None:
            return None
        shape = len(self._output.series), len(opened.cells), forecast.horizon
        return Awaited(opened.slab.bin, shape)

    async def take(self, tp: TP, batch: Batch) -> AsyncIterator[None]:
        """Fold the messages of a batch, one by one."""
        for offset, value in zip(batch.offsets.tolist(), batch.records, strict=True):
            if tp != self._place or offset < self._position:
                continue
            message = parse_input(value or b"", self._fingerprint)
            steps = self._fold.step(message)
            while (sent := await self._thread.run(self._next, steps)) is not None:
                for topic, key, record in sent:
                    await self._sender.send(topic, record, key)
            self._admitter.begin(self._awaited())
            self._position = offset + 1
            self._is_changed = True
            await self._tell_progress(tp)
            yield
        await self._begin_refit()
        self._metrics.held_back_by(self._fold.slabs.holding_back())

    def _next(self, steps: Iterator[Given]) -> list[Sent] | None:
        """Take one step, off the event loop; None when the message is done."""
        started = time.perf_counter()
        closed = next(steps, None)
        if closed is None:
            return None
        if isinstance(closed, Closed):
            self._note(closed, time.perf_counter() - started)
        return list(self._output.records(closed))

    async def _tell_progress(self, place: TP) -> None:
        """Say how far time has come if it has moved, be it with a slab or in the feed's sleep."""
        next_bin = self._fold.next_bin
        if next_bin is None or next_bin == self._told:
            return
        topic, key, value = self._output.progress(place.partition, next_bin, self._position)
        await self._sender.send(topic, value, key)
        self._told = next_bin

    def _note(self, closed: Closed, seconds: float) -> None:
        bin_end = self._output.grid.end(closed.slab.bin) / 1e6
        self._metrics.note(len(closed.cells), bin_end, seconds)
        if closed.forecast is not None:
            self._metrics.weights(self._output.series, closed.forecast.weights)
            self._metrics.guarded(self._guards.news())

    async def idle(self) -> None:
        """Do nothing: silence decides nothing here. What kept a decision away is told."""
        self._refitter.check()
        self._announcer.check()
        self._admitter.check()

    async def checkpoint(self) -> Save:
        """Copy the fold; it is compressed and written while the fold goes on."""
        delivered = self._sender.delivered()
        is_whole = self._fold.slabs.inputs is not None and not self._fold.is_waiting
        if not self._is_changed or self._place is None or not is_whole:
            return self._save(delivered, {}, b"")
        laid_out = await self._thread.run(self._fold.lay_out)
        self._is_changed = False
        return self._save(delivered, {self._place: self._position}, laid_out)

    async def _save(
        self, delivered: Awaitable[Any], positions: dict[TP, int], laid_out: bytes
    ) -> dict[TP, int]:
        """Await the outputs, then write the checkpoint of the shard, if there is one."""
        await delivered
        for place, position in positions.items():
            checkpoint = Checkpoint(position, await asyncio.to_thread(compress, laid_out))
            await self._log.write(self._sender, Owner.shard(place.partition), checkpoint)
        return positions
