"""What a contender wrote: its windows, added up, and when the broker appended the last one."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from tidecast.tools.bench.records import FLUSH_REGION, Sums

__all__ = ["Output", "Row", "add_up", "read_output", "window_rows"]

Row = tuple[int, str, str, int, int]
"""(window start in ms, region, category, count, sum in hundredths)."""


@dataclass(frozen=True)
class Output:
    """An output topic read to its end: sums, messages, and the last append (Unix seconds)."""

    sums: Sums
    messages: int
    last_append: float


def window_rows(value: bytes) -> Iterator[Row]:
    """Yield the windows of a message of JSON lines.

    A ``diff`` of -1 takes an earlier version of the window back, as Pathway writes it.
    """
    for line in value.splitlines():
        row = orjson.loads(line)
        sign = row.get("diff", 1)
        cents = round(row["sum"] * 100)
        window = int(row["window"])
        yield window, row["region"], row["category"], sign * row["count"], sign * cents


def add_up(rows: Iterable[Row]) -> Sums:
    """Return the sums per window and cell, without the flush records and what was taken back."""
    sums: dict[tuple[int, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for window, region, category, count, cents in rows:
        entry = sums[window, region, category]
        entry[0] += count
        entry[1] += cents
    return {
        key: (count, cents)
        for key, (count, cents) in sums.items()
        if key[1] != FLUSH_REGION and (count or cents)
    }


def read_output(
    bootstrap: str, topic: str, rows_of: Callable[[bytes], Iterable[Row]] = window_rows
) -> Output:
    """Read an output topic to its end and add up what its messages say."""
    values, last_append = asyncio.run(_read(bootstrap, topic))
    sums = add_up(row for value in values for row in rows_of(value))
    return Output(sums, len(values), last_append)


async def _read(bootstrap: str, topic: str) -> tuple[list[bytes], float]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        values: list[bytes] = []
        last_append = 0.0
        while await consumer.position(partition) < end:
            for records in (await consumer.getmany(timeout_ms=1_000)).values():
                values += [record.value for record in records if record.value is not None]
                last_append = records[-1].timestamp / 1000
        return values, last_append
    finally:
        await consumer.stop()
