"""The records that every contender reads, and the sums that each must find in them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["FLUSH_REGION", "MINUTE_MS", "NAMES", "BenchRecords", "Record", "Sums"]

MINUTE_MS = 60_000
START_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
SPACING_MS = 1.2
JITTER_MS = 5_000
BLOCK = 100_000  # records made at a time: memory stays small
NAMES = 100
"""How many regions there are, and how many categories."""

FLUSH_REGION = "flush"
"""The region of the last record of each partition: an hour ahead, it closes every window."""

Sums = dict[tuple[int, str, str], tuple[int, int]]
"""(window start in ms, region, category) -> (count, sum in hundredths)."""


class Record(NamedTuple):
    """One record as a producer takes it."""

    partition: int
    key: bytes | None
    value: bytes
    time_ms: int


@dataclass(frozen=True)
class BenchRecords:
    """Click events of 169 bytes, in the order of their arrival, as columns.

    Event times rise by 1.2 ms a record and are out of order by up to 5 s; 100 x 100 cells are
    equally likely, so that a minute of 50,000 events leaves nearly every cell a window of its
    own: the hardest case for whoever writes one message per window.
    """

    time_ms: NDArray[np.int64]
    region: NDArray[np.int64]
    category: NDArray[np.int64]
    cents: NDArray[np.int64]
    user: NDArray[np.int64]
    item: NDArray[np.int64]

    @classmethod
    def draw(cls, count: int, seed: int = 7) -> Self:
        """Return ``count`` records; the same count and seed give the same records."""
        rng = np.random.default_rng(seed)
        steady = START_MS + (np.arange(count) * SPACING_MS).astype(np.int64)
        return cls(
            time_ms=np.maximum(START_MS, steady + rng.integers(-JITTER_MS, JITTER_MS + 1, count)),
            region=rng.integers(0, NAMES, count),
            category=rng.integers(0, NAMES, count),
            cents=rng.integers(1, 1_000, count),
            user=rng.integers(0, 1_000_000, count),
            item=rng.integers(0, 100_000, count),
        )

    def __len__(self) -> int:
        return len(self.time_ms)

    def part(self, start: int, stop: int) -> BenchRecords:
        """Return the records from ``start`` to ``stop``."""
        return BenchRecords(*(getattr(self, field.name)[start:stop] for field in fields(self)))

    def sums(self) -> Sums:
        """Return the true one-minute sums."""
        minute = self.time_ms // MINUTE_MS
        codes = (minute * NAMES + self.region) * NAMES + self.category
        found, inverse = np.unique(codes, return_inverse=True)
        counts = np.bincount(inverse)
        cents = np.bincount(inverse, self.cents).astype(np.int64)
        cells, categories = np.divmod(found, NAMES)
        minutes, regions = np.divmod(cells, NAMES)
        return {
            (m * MINUTE_MS, f"r{r:02d}", f"c{c:02d}"): (n, s)
            for m, r, c, n, s in zip(
                *(a.tolist() for a in (minutes, regions, categories, counts, cents)), strict=True
            )
        }

    def deal(self, partitions: int, keyed: bool = False) -> Iterator[Record]:
        """Yield the records, round robin without a key, or keyed and partitioned by cell.

        One flush record per partition comes last.
        """
        names = zip(self.region.tolist(), self.category.tolist(), strict=True)
        rows = zip(names, self.time_ms.tolist(), self.values(), strict=True)
        for number, ((region, category), ms, value) in enumerate(rows):
            key = b"r%02d|c%02d" % (region, category) if keyed else None
            partition = zlib.crc32(key) if key else number
            yield Record(partition % partitions, key, value, ms)
        yield from self._flush(partitions, keyed)

    def values(self) -> Iterator[bytes]:
        """Yield each record as JSON."""
        for start in range(0, len(self), BLOCK):
            yield from self.part(start, start + BLOCK)._block(start)

    def _block(self, first: int) -> Iterator[bytes]:
        iso = np.datetime_as_string(self.time_ms.astype("datetime64[ms]"), unit="ms").tolist()
        columns = (self.region, self.category, self.cents, self.user, self.item)
        rows = zip(iso, *(column.tolist() for column in columns), strict=True)
        for number, (time, region, category, cents, user, item) in enumerate(rows, first):
            yield (
                f'{{"event_id":"{number * 2654435761 % 2**64:016x}","event_time":"{time}Z",'
                f'"user_id":"u{user:06d}","item_id":"i{item:05d}","region":"r{region:02d}",'
                f'"category":"c{category:02d}","kind":"view","value":{cents / 100:.2f}}}'
            ).encode()

    def _flush(self, partitions: int, keyed: bool) -> Iterator[Record]:
        ms = int(self.time_ms[-1]) + 60 * MINUTE_MS
        time = np.datetime_as_string(np.datetime64(ms, "ms"), unit="ms")
        for partition in range(partitions):
            value = (
                f'{{"event_id":"flush{partition}","event_time":"{time}Z","user_id":"u",'
                f'"item_id":"i","region":"{FLUSH_REGION}","category":"c00","kind":"view",'
                f'"value":0.0}}'
            ).encode()
            yield Record(partition, FLUSH_REGION.encode() + b"|c00" if keyed else None, value, ms)
