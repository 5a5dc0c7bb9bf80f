"""The newest state of the live forecaster, read beside it: it goes on undisturbed."""

from __future__ import annotations

import asyncio

from tidecast.models.fold import ForecastFold
from tidecast.state.errors import CheckpointError
from tidecast.state.settings import Settings
from tidecast.streams.checkpoints import CheckpointLog, Owner
from tidecast.streams.topics import partition_counts, topic_names

__all__ = ["newest_fold"]


def newest_fold(settings: Settings) -> ForecastFold:
    """Return the forecaster's fold as of its newest checkpoint.

    Raises
    ------
    CheckpointError
        When there is none, or it was made under other settings.
    ServiceError
        When the broker is away or refuses, or there is no topic of checkpoints.
    """
    topic = topic_names(settings.kafka.topic_prefix).checkpoints
    partition_counts(settings.kafka, [topic])
    owner = Owner.shard(0)
    found = asyncio.run(CheckpointLog(settings).read([owner])).get(owner)
    if found is None:
        raise CheckpointError(
            f"the forecaster has no checkpoint in topic {topic} yet: run `tidecast worker "
            "forecast` for a while, or name LOGs to read instead"
        )
    fold = ForecastFold(settings, refits_are_decided=True)
    fold.restore(found.data)
    return fold
