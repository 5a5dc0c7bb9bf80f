"""What a contender wrote: its windows, added up, and when the broker appended the last one."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from tidecast.state.bins import BinGrid
from tidecast.state.cuts import BinSums, Cut
from tidecast.state.settings import Settings
from tidecast.streams.wire import parse_input
from tidecast.tools.bench.records import FLUSH_REGION, Sums

__all__ = ["Output", "Row", "add_up", "cut_rows", "read_output", "read_records", "window_rows"]

Row = tuple[int, str, str, int, int]
"""(window start in ms, region, category, count, sum in hundredths)."""


@dataclass(frozen=True)
class Output:
    """An output topic read to its end: sums, messages, and the last append (Unix seconds)."""

    sums: Sums
    messages: int
    last_append: float


def window_rows(values: Iterable[bytes]) -> Iterator[Row]:
    """Yield the windows of messages of JSON lines.

    A ``diff`` of -1 takes an earlier version of the window back, as Pathway writes it.
    """
    for line in (line for value in values for line in value.splitlines()):
        row = orjson.loads(line)
        sign = row.get("diff", 1)
        cents = round(row["sum"] * 100)
        window = int(row["window"])
        yield window, row["region"], row["category"], sign * row["count"], sign * cents


def cut_rows(values: Iterable[bytes], settings: Settings) -> Iterator[Row]:
    """Yield the windows of cuts: of each partition and bin the version that counts.

    The first series is the sum, in hundredths.
    """
    grid = BinGrid(settings.bins.width, settings.shop.time_zone)
    versions: dict[tuple[int, int], tuple[int, int, BinSums]] = {}
    for value in values:
        cut = parse_input(value, settings.fingerprint())
        if not isinstance(cut, Cut):
            continue
        for part in cut.bins:
            at = (cut.partition, part.bin)
            newer = (cut.upto, cut.boundary, part)
            versions[at] = max(versions.get(at, newer), newer, key=lambda version: version[:2])
    for _, _, part in versions.values():
        window = grid.start(part.bin) // 1000
        for cell, count, cents in zip(part.cells, *part.sums[:2].tolist(), strict=True):
            yield window, cell.region, cell.category, count, cents


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
    bootstrap: str, topic: str, rows_of: Callable[[Iterable[bytes]], Iterable[Row]]
) -> Output:
    """Read an output topic to its end and add up what its messages say."""
    records = read_records(bootstrap, topic)
    values = [record.value for record in records if record.value is not None]
    last_append = records[-1].timestamp / 1000 if records else 0.0
    return Output(add_up(rows_of(values)), len(values), last_append)


def read_records(bootstrap: str, topic: str, partition: int = 0) -> list[Any]:
    """Return all records of a partition, as aiokafka gives them."""
    return asyncio.run(_read(bootstrap, TopicPartition(topic, partition)))


async def _read(bootstrap: str, place: TopicPartition) -> list[Any]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        consumer.assign([place])
        end = (await consumer.end_offsets([place]))[place]
        found: list[Any] = []
        while await consumer.position(place) < end:
            for records in (await consumer.getmany(timeout_ms=1_000)).values():
                found += records
        return found
    finally:
        await consumer.stop()
