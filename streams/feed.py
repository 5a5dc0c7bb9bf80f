"""Play recorded logs into Kafka, as fast as told and no faster than the broker acknowledges."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import numpy as np
from kafka.errors import InvalidTimestampError, KafkaError, MessageSizeTooLargeError

from tidecast.state.cuts import END_OF_LOG
from tidecast.state.errors import ServiceError
from tidecast.state.settings import KafkaSettings
from tidecast.streams.clients import connect_producer, service_error
from tidecast.streams.logs import Dealer, Piece

__all__ = ["TICK_SECONDS", "Sender", "feed", "paced", "send_ends"]

IN_FLIGHT = 50_000  # records: some batches for every partition
IN_FLIGHT_BYTES = 64 << 20
BATCH_BYTES = 256 << 10
LINGER_MS = 20
REQUEST_BYTES = 32 << 20  # the topic's own limit decides what is too large
DELIVERY_MS = 30_000
CLOSE_SECONDS = 10
TICK_SECONDS = 0.05


class Sender:
    """Send records in order, and know that each one arrived.

    At most ``IN_FLIGHT`` records (and ``IN_FLIGHT_BYTES``) wait for their acknowledgement: then
    ``send`` waits too. The first record that cannot be delivered is an error.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._waiting: deque[tuple[Any, int]] = deque()  # (future, size of its record)
        self._waiting_bytes = 0
        self._producer = connect_producer(
            settings,
            acks="all",
            batch_size=BATCH_BYTES,
            linger_ms=LINGER_MS,
            max_request_size=REQUEST_BYTES,
            delivery_timeout_ms=DELIVERY_MS,
            request_timeout_ms=DELIVERY_MS // 3,
            max_block_ms=DELIVERY_MS,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            # What still waits must not follow the record that failed, and close() would wait
            # for it: only the sender itself can be told to give it up.
            self._producer._sender.force_close()
        with suppress(KafkaError):  # everything was drained, or the error is already on its way
            self._producer.close(timeout=CLOSE_SECONDS)

    def send(
        self, topic: str, partition: int, record: bytes, key: bytes | None, time_us: int
    ) -> None:
        """Hand over one record, stamped with its event time.

        Raises
        ------
        ServiceError
            When this or an earlier record cannot be delivered.
        """
        while self._waiting and (self._full or self._waiting[0][0].is_done):
            self._await_oldest()
        try:
            future = self._producer.send(
                topic, record, key, partition=partition, timestamp_ms=time_us // 1000
            )
        except KafkaError as error:
            raise self._failure(error) from error
        self._waiting.append((future, len(record)))
        self._waiting_bytes += len(record)

    def drain(self) -> None:
        """Wait until every record has arrived.

        Raises
        ------
        ServiceError
            When one cannot be delivered.
        """
        while self._waiting:
            self._await_oldest()

    @property
    def _full(self) -> bool:
        return len(self._waiting) >= IN_FLIGHT or self._waiting_bytes >= IN_FLIGHT_BYTES

    def _await_oldest(self) -> None:
        future, size = self._waiting.popleft()
        self._waiting_bytes -= size
        try:
            future.get(2 * DELIVERY_MS / 1000)
        except KafkaError as error:
            raise self._failure(error) from error

    def _failure(self, error: KafkaError) -> ServiceError:
        if isinstance(error, MessageSizeTooLargeError):
            return ServiceError(
                "the broker refuses a record for its size: raise max.message.bytes of the topic"
            )
        if isinstance(error, InvalidTimestampError):
            return ServiceError(
                "the broker refuses a record for its event time: the topic must not limit "
                "timestamps (message.timestamp.after.max.ms); `tidecast topics list` names it"
            )
        return service_error(self._settings, error)


def feed(
    pieces: Iterable[Piece],
    sender: Sender,
    dealers: Mapping[str, Dealer],
    on_sent: Callable[[int], None],
) -> dict[str, int]:
    """Send the records of all pieces to their topics and return how many went to each.

    Parameters
    ----------
    pieces
        Of all logs, merged, and paced where the events shall come as they once did.
    sender
        Where they go.
    dealers
        By name of source: who gives each record its key and partition.
    on_sent
        Is told the number of records after each piece.

    Raises
    ------
    ServiceError
        When a record cannot be delivered.
    """
    sent: dict[str, int] = {}
    for piece in pieces:
        source = piece.spec.source
        dealt = dealers[source.name].deal(piece.records)
        stamps = piece.times.tolist()
        for record, (key, partition), stamp in zip(piece.records, dealt, stamps, strict=True):
            sender.send(source.topic, partition, record, key, stamp)
        sent[source.topic] = sent.get(source.topic, 0) + len(piece.records)
        on_sent(len(piece.records))
    sender.drain()
    return sent


def send_ends(sender: Sender, partitions: Mapping[str, int], time_us: int) -> None:
    """Tell every partition of every topic that its log ends here.

    Raises
    ------
    ServiceError
        When a record cannot be delivered.
    """
    for topic, count in partitions.items():
        for partition in range(count):
            sender.send(topic, partition, END_OF_LOG, None, time_us)
    sender.drain()


def paced(
    pieces: Iterable[Piece],
    speed: float,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Piece]:
    """Yield the records when they are due: ``speed`` seconds of event time a second.

    The first dated record is due at once.
    """
    start: float | None = None
    first = 0
    for piece in pieces:
        rest = piece
        while rest.records:
            head = int(rest.clock[0])
            if start is None and head:
                start, first = now(), head
            reached = 0 if start is None else first + int((now() - start) * speed * 1e6)
            if count := int(np.searchsorted(rest.clock, reached, side="right")):
                due, rest = rest.cut(count)
                yield due
            else:
                sleep(min(TICK_SECONDS, (head - reached) / speed / 1e6))
