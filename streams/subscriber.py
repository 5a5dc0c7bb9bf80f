"""Read the predictions topic, as any downstream service may: take this file as a pattern.

A forecast that is sent again is the same forecast: (series, region, category, origin) is its key,
and the larger ``revision`` replaces the smaller. So a service that stores by that key may read at
least once and needs nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from kafka import TopicPartition
from pydantic import ValidationError

from tidecast.state.errors import ContractError
from tidecast.state.settings import KafkaSettings
from tidecast.streams.clients import connect_consumer, translated
from tidecast.streams.schemas.forecasts import PredictionRecord
from tidecast.streams.topics import partition_counts, topic_names

__all__ = ["PredictionSubscriber", "Received"]


@dataclass(frozen=True)
class Received:
    """One record of the predictions topic, as it came."""

    value: bytes
    partition: int
    offset: int

    def parse(self) -> PredictionRecord:
        """Return the forecast.

        Raises
        ------
        ContractError
            When the record breaks the contract, or is of a version this reader does not know.
        """
        try:
            return PredictionRecord.model_validate_json(self.value)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise ContractError(
                f"prediction at partition {self.partition}, offset {self.offset} breaks its "
                f"contract: {'.'.join(map(str, first['loc']))}: {first['msg']}"
            ) from error


class PredictionSubscriber:
    """Read every partition of the predictions topic, from its end or its beginning.

    Parameters
    ----------
    settings
        The broker and the prefix of the topics.
    from_beginning
        Read what the topic already holds before what comes.

    Raises
    ------
    ServiceError
        When there is no broker, or no such topic.
    """

    def __init__(self, settings: KafkaSettings, from_beginning: bool = False) -> None:
        topic = topic_names(settings.topic_prefix).predictions
        count = partition_counts(settings, [topic])[topic]
        partitions = [TopicPartition(topic, number) for number in range(count)]
        self._settings = settings
        self._consumer = connect_consumer(settings, enable_auto_commit=False)
        try:
            with translated(settings):
                self._begin(partitions, from_beginning)
        except BaseException:
            self.close()
            raise

    def _begin(self, partitions: Sequence[TopicPartition], from_beginning: bool) -> None:
        self._consumer.assign(partitions)
        if from_beginning:
            self._consumer.seek_to_beginning(*partitions)
        else:
            self._consumer.seek_to_end(*partitions)
        for partition in partitions:  # a seek is lazy: settle what "the end" is now
            self._consumer.position(partition)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def poll(self, timeout_ms: int = 500) -> list[Received]:
        """Return what has come; nothing when ``timeout_ms`` passes without a record.

        Raises
        ------
        ServiceError
            When the broker refuses us.
        """
        with translated(self._settings):
            batches = self._consumer.poll(timeout_ms=timeout_ms)
        return [
            Received(record.value or b"", record.partition, record.offset)
            for batch in batches.values()
            for record in batch
        ]

    def __iter__(self) -> Iterator[Received]:
        """Yield records for ever, waiting for each."""
        while True:
            yield from self.poll()

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close(autocommit=False)
