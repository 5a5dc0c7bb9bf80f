"""Warm-up: what a replay has learnt becomes the state that the live forecaster begins with."""

from __future__ import annotations

import asyncio

from aiokafka.errors import KafkaError

from tidecast.models.fold import ForecastFold
from tidecast.state.errors import CheckpointError, ServiceError
from tidecast.state.settings import Settings
from tidecast.streams.checkpoints import Checkpoint, CheckpointLog, Owner
from tidecast.streams.migrator import cuts_end, refuse_running
from tidecast.streams.outbox import outbox
from tidecast.streams.topics import partition_counts, topic_names

__all__ = ["begin_live", "refuse_begun"]

SHARD = Owner.shard(0)


def refuse_begun(settings: Settings) -> None:
    """Refuse a warm-up of a pipeline that has begun: nothing may be learnt twice.

    Raises
    ------
    CheckpointError
        When the forecaster has a checkpoint, or there are cuts.
    ServiceError
        When there is no broker, a topic is missing, or a worker runs.
    """
    names = topic_names(settings.kafka.topic_prefix)
    partition_counts(settings.kafka, [names.cuts, names.checkpoints])
    if end := cuts_end(settings.kafka):
        raise CheckpointError(
            f"topic {names.cuts} holds {end} records: a warm-up comes before the first live run; "
            "choose another kafka.group and kafka.topic_prefix for it"
        )
    if asyncio.run(_begun(settings)):
        raise CheckpointError(
            f"the forecaster has a checkpoint in topic {names.checkpoints} already: choose "
            "another kafka.group and kafka.topic_prefix for a warm-up"
        )


def begin_live(settings: Settings, fold: ForecastFold) -> int:
    """End the warm-up of ``fold`` and write it down for the live forecaster; return its bytes.

    Raises
    ------
    CheckpointError
        When the live run has begun meanwhile.
    ServiceError
        When the broker is away or refuses.
    """
    refuse_begun(settings)
    fold.end_warm_up()
    data = fold.snapshot()
    asyncio.run(_write(settings, data))
    return len(data)


async def _begun(settings: Settings) -> bool:
    await refuse_running([settings.kafka])
    return bool(await CheckpointLog(settings).read([SHARD]))


async def _write(settings: Settings, data: bytes) -> None:
    try:
        async with outbox(settings.kafka) as sender:
            await CheckpointLog(settings).write(sender, SHARD, Checkpoint(0, data))
    except KafkaError as error:
        raise ServiceError(f"Kafka refuses ({error!r}): try again") from error
