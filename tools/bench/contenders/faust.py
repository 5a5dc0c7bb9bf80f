"""Stock Faust: one agent, a record at a time, into a dictionary of sums."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import faust
import orjson

from tidecast.tools.bench.contenders.job import DISORDER_MS, Job, Stopwatch, leave
from tidecast.tools.bench.records import MINUTE_MS

__all__ = ["MinuteSums", "build"]

CLOSE_EVERY = 1_024
ROWS_PER_MESSAGE = 2_000


class MinuteSums:
    """Sums per minute and cell; a minute closes when every partition has passed its end."""

    def __init__(self, partitions: int) -> None:
        self._latest = [0] * partitions
        self._open: dict[int, dict[tuple[str, str], list[float]]] = {}

    def add(self, partition: int, record: dict[str, Any]) -> None:
        """Add one record."""
        ms = int(datetime.fromisoformat(record["event_time"]).timestamp() * 1000)
        if ms > self._latest[partition]:
            self._latest[partition] = ms
        sums = self._open.setdefault(ms // MINUTE_MS, {})
        cell = (record["region"], record["category"])
        entry = sums.get(cell)
        if entry is None:
            sums[cell] = [record["value"], 1]
        else:
            entry[0] += record["value"]
            entry[1] += 1

    def close(self) -> list[dict[str, Any]]:
        """Return the windows that have closed since the last call, and forget them."""
        passed = (min(self._latest) - DISORDER_MS) // MINUTE_MS
        closed = sorted(minute for minute in self._open if minute < passed)
        return [
            {
                "window": minute * MINUTE_MS,
                "region": region,
                "category": category,
                "sum": total,
                "count": count,
            }
            for minute in closed
            for (region, category), (total, count) in self._open.pop(minute).items()
        ]


def build(job: Job) -> faust.App:
    """Return the app that does the job and then ends the process."""
    app = faust.App(
        job.output,
        broker=f"kafka://{job.bootstrap}",
        store="memory://",
        datadir=job.folder,
        value_serializer="json",
        web_enabled=False,
        consumer_auto_offset_reset="earliest",
        topic_disable_leader=True,
        topic_partitions=job.partitions,
        stream_wait_empty=False,
    )
    source = app.topic(job.topic, value_serializer="json")
    output = app.topic(job.output, value_serializer="raw")
    watch = Stopwatch()

    async def write(rows: list[dict[str, Any]]) -> list[Any]:
        chunks = (rows[i : i + ROWS_PER_MESSAGE] for i in range(0, len(rows), ROWS_PER_MESSAGE))
        lines = (b"\n".join(orjson.dumps(row) for row in chunk) for chunk in chunks)
        return [await output.send(value=value) for value in lines]

    async def add_up(stream: AsyncIterator[Any]) -> None:
        sums = MinuteSums(job.partitions)
        deliveries: list[Any] = []
        seen = 0
        async for event in stream.events():  # type: ignore[attr-defined]
            watch.start()
            sums.add(event.message.partition, event.value)
            seen += 1
            if seen % CLOSE_EVERY == 0 or seen == job.total:
                deliveries += await write(sums.close())
            if seen == job.total:
                for delivery in deliveries:
                    await delivery
                leave(watch.report())

    app.agent(source, name="add-up")(add_up)
    return app


if __name__ == "__main__":
    faust.Worker(build(Job.of_arguments()), loglevel="WARN").execute_from_commandline()
