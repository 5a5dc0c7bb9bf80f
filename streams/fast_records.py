"""A patch of aiokafka's reader: whole record batches instead of one object a record.

aiokafka builds a ``ConsumerRecord`` for every record, which costs as much as all of our decoding.
``install`` replaces its private ``PartitionRecords`` where the version is the one this was written
against; elsewhere the plain path stays, and gives the same batches (a test holds them equal). Only
consumers that ask for it, by ``value_deserializer=whole``, are given batches, and no more of them
at once than MOST_BYTES: what was fetched may have been compressed a hundredfold.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import aiokafka
import numpy as np
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from numpy.typing import NDArray

__all__ = ["RecordBatch", "install", "whole"]

logger = logging.getLogger(__name__)
WRITTEN_FOR = "0.14."
PLAIN: Any = fetcher.PartitionRecords
PLAIN_RESULT: Any = fetcher.FetchResult
MOST_BYTES = 4 * 1024 * 1024  # of values of a partition, at once; the batch that passes it is whole


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """The records of one Kafka record batch, as far as they were asked for."""

    offsets: NDArray[np.int64]
    values: list[bytes | None]

    @classmethod
    def of(cls, records: list[Any]) -> RecordBatch:
        """Return the batch of aiokafka's ``records``, at least one, in offset order."""
        first, last, count = records[0].offset, records[-1].offset, len(records)
        if last - first == count - 1:
            offsets = np.arange(first, last + 1, dtype=np.int64)
        else:
            offsets = np.fromiter((record.offset for record in records), np.int64, count)
        return cls(offsets, [record.value for record in records])


class WholeBatches(fetcher.PartitionRecords):  # type: ignore[misc]
    """Yields one RecordBatch for each record batch of a fetch."""

    def _unpack_records(self) -> Iterator[RecordBatch]:
        records = self._records
        while records.has_next():
            batch = records.next_batch()
            if self._check_crcs and not batch.validate_crc():
                raise CorruptRecordException(f"Invalid CRC - {self._tp}")
            kept = [] if self._is_skipped(batch) else self._wanted(batch)
            # Moved before the yield: nothing is read twice if the consumer stops here.
            self.next_fetch_offset = batch.next_offset
            if kept:
                yield RecordBatch.of(kept)

    def _wanted(self, batch: Any) -> list[Any]:
        kept = list(batch)
        if kept and kept[0].offset < self.next_fetch_offset:
            kept = [record for record in kept if record.offset >= self.next_fetch_offset]
        return kept

    def _is_skipped(self, batch: Any) -> bool:
        """Tell whether ``batch`` is of control records, or of an aborted transaction."""
        if self._isolation_level == fetcher.READ_COMMITTED and batch.producer_id is not None:
            self._consume_aborted_up_to(batch.base_offset)
            if batch.is_control_batch and self._contains_abort_marker(batch):
                self._aborted_producers.discard(batch.producer_id)
            if batch.is_transactional and batch.producer_id in self._aborted_producers:
                return True
        return bool(batch.is_control_batch)


class BoundedResult(fetcher.FetchResult):  # type: ignore[misc]
    """What a fetch brought of a partition, handed over part by part."""

    def getall(self, max_records: int | None = None) -> list[Any]:
        """Return the next whole batches up to MOST_BYTES; of other consumers, all records."""
        if max_records is not None or not isinstance(self._partition_records, WholeBatches):
            records: list[Any] = super().getall(max_records)
            return records
        found: list[RecordBatch] = []
        size = 0
        while size < MOST_BYTES and (batch := self.getone()) is not None:
            found.append(batch)
            size += sum(len(value) for value in batch.values if value is not None)
        return found


def whole(value: bytes | None) -> bytes | None:
    """Return ``value``: as a consumer's ``value_deserializer``, ask for whole batches."""
    return value


def _reader(*arguments: Any) -> Any:
    """Return what reads a fetch for the consumer that made it."""
    return (WholeBatches if arguments[5] is whole else PLAIN)(*arguments)


def install() -> bool:
    """Patch aiokafka for this process; return whether it was done."""
    if not aiokafka.__version__.startswith(WRITTEN_FOR):
        logger.warning(
            "aiokafka %s is not %sx: reading record by record", aiokafka.__version__, WRITTEN_FOR
        )
        return False
    fetcher.PartitionRecords = _reader
    fetcher.FetchResult = BoundedResult
    return True
