"""Deal the records of a log out to partitions, as a producer would."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from kafka.partitioner.default import murmur2

from tidecast.state.errors import LogError
from tidecast.state.settings import SourceSettings
from tidecast.streams.logs.parse import Record, parse_records

__all__ = ["Dealer", "key_partition"]

Dealt = list[tuple[bytes | None, int]]


@lru_cache(65_536)
def key_partition(key: bytes, partitions: int) -> int:
    """Return the partition that Kafka's default partitioner gives ``key``."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


class Dealer:
    """Give each record of one log its key and its partition.

    What a record gets depends on the record and its line number only, never on how the log is
    cut into chunks, so that a replay and a feed of the same log deal alike.

    Parameters
    ----------
    source
        Whose log it is.
    partitions
        How many there are.
    key
        The field whose text, or whole number, is the key; the source's region field when None.
        Equal keys meet in one partition; a record without a key goes to the partition of its
        line number, in turn.
    partition_field
        The field that holds the partition itself, where the log was recorded with one.
    """

    def __init__(
        self,
        source: SourceSettings,
        partitions: int,
        key: str | None = None,
        partition_field: str | None = None,
    ) -> None:
        self._source = source
        self._partitions = partitions
        self._key_field = key or source.field("region")
        self._partition_field = partition_field
        self._lines = 0

    def deal(self, records: Sequence[bytes]) -> Dealt:
        """Return (key, partition) of each record, the next ones of the log.

        Raises
        ------
        LogError
            When a record names a partition that does not exist.
        """
        return [self._deal_one(record) for record in parse_records(records)]

    def split(self, records: list[bytes]) -> list[list[bytes]]:
        """Return the records of each partition, in order; free of cost with one partition."""
        if self._partitions == 1:
            return [records]
        hands: list[list[bytes]] = [[] for _ in range(self._partitions)]
        for record, (_, partition) in zip(records, self.deal(records), strict=True):
            hands[partition].append(record)
        return hands

    def _deal_one(self, record: Record | None) -> tuple[bytes | None, int]:
        line = self._lines
        self._lines += 1
        if record is None:
            return None, line % self._partitions
        key = _key(record.get(self._key_field))
        if self._partition_field is not None:
            return key, self._recorded(record.get(self._partition_field), line)
        return key, line % self._partitions if key is None else key_partition(key, self._partitions)

    def _recorded(self, partition: object, line: int) -> int:
        if not isinstance(partition, int) or isinstance(partition, bool):
            return line % self._partitions
        if not 0 <= partition < self._partitions:
            raise LogError(
                f"record {line + 1} of source {self._source.name} names partition {partition}, "
                f"but there are {self._partitions}: give at least {partition + 1}"
            )
        return partition


def _key(value: object) -> bytes | None:
    """Return a text or whole number as bytes; None for anything that makes no key."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, int) and not isinstance(value, bool):
        return b"%d" % value
    return None
