"""A live shop of steady trade: its settings, and a producer that keeps to the clock."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from aiokafka import AIOKafkaProducer

from tidecast.models.aggregates import nodes_of
from tidecast.state.bins import iso
from tidecast.state.cells import Cell
from tidecast.state.errors import ServiceError

__all__ = ["PARTITIONS", "Feeder", "LiveShop"]

PARTITIONS = 4
SECOND = 1_000_000  # microseconds
TICK_SECONDS = 0.02

SETTINGS = """\
[bins]
width = "{bin_seconds}s"

[[sources]]
name = "clicks"
topic = "{topic}"
stream = "click"
max_disorder = "1s"

[[series]]
name = "views"
stream = "click"
aggregate = "count"
kinds = ["view"]

[[series]]
name = "carts"
stream = "click"
aggregate = "count"
kinds = ["cart"]

[[series]]
name = "value"
stream = "click"
aggregate = "sum"
of = "value"

[forecast]
horizon = 12

[kafka]
topic_prefix = "{topic}"
group = "{topic}"

[clickhouse]
database = "{database}"
"""


@dataclass(frozen=True)
class LiveShop:
    """So many cells with three series, so many events a second, in bins of so many seconds."""

    topic: str
    cells: int = 1_000
    rate: int = 5_000
    bin_seconds: int = 5

    @property
    def database(self) -> str:
        """The ClickHouse database of its forecasts."""
        return self.topic.replace("-", "_")

    @cached_property
    def rows_per_origin(self) -> int:
        """Predictions that one origin has: one a cell and series, and a sum of cells and series."""
        cells = [Cell(*self.names(number)) for number in range(self.cells)]
        return 3 * (self.cells + len(nodes_of(cells)))

    def names(self, cell: int) -> tuple[str, str]:
        """Return the region and category of a cell, by its number."""
        return f"r{cell % 25:02d}", f"c{cell // 25:03d}"

    def settings(self) -> str:
        """Return the settings file."""
        return SETTINGS.format(
            bin_seconds=self.bin_seconds, topic=self.topic, database=self.database
        )

    def history(self, now: int, bins: int) -> Iterator[tuple[int, bytes]]:
        """Yield (time, record) of the ``bins`` before ``now``: one event a cell and bin."""
        width = self.bin_seconds * SECOND
        start = now - bins * width
        step = width // self.cells
        for number in range(bins * self.cells):
            yield start + number * step, self.event(number, start + number * step)

    def event(self, number: int, time_us: int) -> bytes:
        """Return one event; every cell has its turn, one event in ten is a cart."""
        cell = number % self.cells
        region, category = self.names(cell)
        kind = "cart" if (number // self.cells + cell) % 10 == 0 else "view"
        return (
            f'{{"event_id":"e{number:015d}","event_time":"{iso(time_us)}",'
            f'"region":"{region}","category":"{category}","kind":"{kind}",'
            f'"value":{1 + number * 7919 % 1000 / 100:.2f}}}'
        ).encode()


class Feeder:
    """Produces a shop's history, then its events by the clock, until it is stopped.

    It runs in a thread of its own.
    """

    def __init__(self, bootstrap: str, shop: LiveShop, history_bins: int) -> None:
        self._bootstrap = bootstrap
        self._shop = shop
        self._history_bins = history_bins
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feeder")
        self._sent = 0
        self._marked = (0, 0.0)
        self._most_behind = 0.0
        self._error: Exception | None = None

    def __enter__(self) -> Feeder:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop producing, and wait until all is delivered."""
        self._stop.set()
        self._thread.join()

    def mark(self) -> None:
        """Begin to measure: ``rate`` and ``check`` look no further back."""
        self._marked = (self._sent, time.time())
        self._most_behind = 0.0

    def rate(self) -> float:
        """Return the events a second sent since the mark.


        Raises
        ------
        ServiceError
            When the broker refused, or this machine fell behind the clock.
        """
        sent, began = self._marked
        if self._error is not None:
            raise ServiceError(f"the feeding of events broke down: {self._error}")
        if self._most_behind > 1.0:
            raise ServiceError(
                f"the feeding of events fell {self._most_behind:.1f} s behind the clock: "
                "this machine is too busy for this rate"
            )
        return (self._sent - sent) / (time.time() - began)

    def _run(self) -> None:
        try:
            asyncio.run(self._feed())
        except Exception as error:  # noqa: BLE001 - the edge of a thread: told by check()
            self._error = error

    async def _feed(self) -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap, linger_ms=5, max_batch_size=262_144
        )
        await producer.start()
        try:
            now = int(time.time() * SECOND)
            for time_us, value in self._shop.history(now, self._history_bins):
                await self._send(producer, time_us, value)
            await self._keep_time(producer, time.time())
        finally:
            await producer.stop()

    async def _keep_time(self, producer: Any, began: float) -> None:
        """Send the events that are due since ``began``, tick by tick."""
        sent = 0
        while not self._stop.is_set():
            due = int((time.time() - began) * self._shop.rate)
            self._most_behind = max(self._most_behind, (due - sent) / self._shop.rate)
            times = began + np.arange(sent, due) / self._shop.rate
            for time_us in (times * SECOND).astype(np.int64).tolist():
                await self._send(producer, time_us, self._shop.event(self._sent, time_us))
            sent = due
            await asyncio.sleep(TICK_SECONDS)

    async def _send(self, producer: Any, time_us: int, value: bytes) -> None:
        partition = self._sent % PARTITIONS
        await producer.send(
            self._shop.topic, value, partition=partition, timestamp_ms=time_us // 1000
        )
        self._sent += 1
