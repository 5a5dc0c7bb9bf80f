"""What a role may ask of the topics it reads, and of their consumer; and Kafka's answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from aiokafka.errors import KafkaError
from faust.types import TP

from tidecast.state.errors import ServiceError
from tidecast.state.settings import Settings
from tidecast.streams.extent import Extent
from tidecast.streams.progress import ProgressLog
from tidecast.streams.topics import ensure_partitions, topic_ids, topic_names

__all__ = ["KafkaUpstream", "Upstream"]


class Upstream(Protocol):
    """The topics that a role reads; every method asks the broker anew."""

    async def identities(self, topics: Iterable[str]) -> dict[str, str | None]:
        """Return the id that the broker gave each topic when it was made; None from old ones."""
        ...

    async def extents(self, places: Sequence[TP]) -> dict[TP, Extent]:
        """Return which offsets the partitions have now."""
        ...

    async def committed(self, place: TP) -> int | None:
        """Return the offset that the group has committed, None where it has none."""
        ...

    async def reach(self, places: Sequence[TP]) -> dict[TP, int]:
        """Return up to which offset a partition must be folded to be read to its end.

        What follows that offset are markers of transactions at most. Partitions that the broker
        tells nothing of in time are left out.
        """
        ...

    async def hold(self, places: Sequence[TP]) -> None:
        """Fetch no more of these partitions, until ``release`` or the next assignment."""
        ...

    async def release(self, places: Sequence[TP]) -> None:
        """Fetch these partitions again."""
        ...

    async def room_for(self, checkpoints: int) -> None:
        """See to it that the checkpoints topic has a partition of this number."""
        ...

    async def next_bin(self) -> int | None:
        """Return the first bin that the forecaster has not closed; None when it does not tell."""
        ...


class KafkaUpstream:
    """Asks the consumer of a Faust app, which must be running, and an admin client."""

    def __init__(self, settings: Settings, app: Any) -> None:
        self._kafka = settings.kafka
        self._checkpoints = topic_names(settings.kafka.topic_prefix).checkpoints
        self._app = app
        self._progress = ProgressLog(settings)

    async def identities(self, topics: Iterable[str]) -> dict[str, str | None]:
        """Return the id that the broker gave each topic when it was made; None from old ones."""
        return await asyncio.to_thread(topic_ids, self._kafka, sorted(set(topics)))

    async def extents(self, places: Sequence[TP]) -> dict[TP, Extent]:
        """Return which offsets the partitions have now.

        Raises
        ------
        ServiceError
            When the broker does not tell.
        """
        try:
            beginnings = await self._app.consumer.earliest_offsets(*places)
            ends = await self._app.consumer.highwaters(*places)
        except (KafkaError, TimeoutError) as error:
            raise ServiceError(
                f"the broker at {self._kafka.bootstrap} does not tell which offsets "
                f"{', '.join(sorted({place.topic for place in places}))} has ({error!r}): "
                "start the worker again when the broker is back"
            ) from error
        return {place: Extent(beginnings[place], ends[place]) for place in places}

    async def committed(self, place: TP) -> int | None:
        """Return the offset that the group has committed, None where it has none."""
        offset: int | None = await self._app.consumer.committed(place)
        return offset

    async def reach(self, places: Sequence[TP]) -> dict[TP, int]:
        """Return up to which offset a partition must be folded to be read to its end."""
        found: dict[TP, int] = await self._app.consumer.reach(places)
        return found

    async def hold(self, places: Sequence[TP]) -> None:
        """Fetch no more of these partitions, until ``release`` or the next assignment."""
        await self._app.consumer.hold(places)

    async def release(self, places: Sequence[TP]) -> None:
        """Fetch these partitions again."""
        await self._app.consumer.release(places)

    async def room_for(self, checkpoints: int) -> None:
        """See to it that the checkpoints topic has a partition of this number.

        The producer must learn of a new partition as well: it refuses those it does not know.
        """
        await asyncio.to_thread(ensure_partitions, self._kafka, self._checkpoints, checkpoints + 1)
        await self._app.producer.learn_partitions(self._checkpoints, checkpoints + 1)

    async def next_bin(self) -> int | None:
        """Return the first bin that the forecaster has not closed; None when it does not tell."""
        return await self._progress.next_bin()
