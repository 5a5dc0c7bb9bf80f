"""Whether a source topic still is the one that a checkpoint was made of, and what it has lost."""

from __future__ import annotations

from functools import partial

from faust.types import TP

from tidecast.state.errors import CheckpointError
from tidecast.streams.extent import Extent, settled
from tidecast.streams.upstream import Upstream

__all__ = ["lost_before", "refuse_another_topic", "refuse_forgotten", "steady_extents"]


def refuse_another_topic(source: str, topic: str, kept: str | None, found: str | None) -> None:
    """Refuse a topic that was deleted and made again.

    Raises
    ------
    CheckpointError
        When the topic's id is another one than that of the checkpoint.
    """
    if kept is not None and found is not None and kept != found:
        raise CheckpointError(
            f"topic {topic} of source {source!r} was created anew: its id is {found}, the "
            f"checkpoint was made of {kept}: if that was meant, say so with "
            f"`tidecast migrate --anew {source}`"
        )


def refuse_forgotten(tp: TP, committed: int | None, group: str) -> None:
    """Refuse to begin a partition that was read before, but whose checkpoint is gone.

    Raises
    ------
    CheckpointError
        When the group has committed an offset.
    """
    if committed:
        raise CheckpointError(
            f"{tp.topic}/{tp.partition} was read up to offset {committed} by group {group}, but "
            "there is no checkpoint of it: bring the checkpoints topic back, or begin afresh "
            "under another kafka.group and kafka.topic_prefix"
        )


async def steady_extents(upstream: Upstream, positions: dict[TP, int]) -> dict[TP, Extent]:
    """Return which offsets the partitions have, all ``positions`` being among them or truncated.

    Raises
    ------
    CheckpointError
        When a partition ends before its position.
    """
    extents = await settled(partial(upstream.extents, list(positions)), positions)
    for tp, position in positions.items():
        if extents[tp].end < position:
            raise CheckpointError(
                f"{tp.topic}/{tp.partition} ends at offset {extents[tp].end}, but was read up to "
                f"{position}: it was created anew, or its broker has lost records; if it may "
                "begin again, say so with `tidecast migrate --anew SOURCE`"
            )
    return extents


def lost_before(position: int, extent: Extent, next_read: int | None = None) -> range:
    """Return the offsets from ``position`` that were deleted before they were read.

    ``next_read`` is the first offset that was read after them; what is missing between without
    having been deleted are markers of transactions.
    """
    end = extent.beginning if next_read is None else min(extent.beginning, next_read)
    return range(position, max(position, end))
