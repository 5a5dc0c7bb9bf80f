"""What may be deleted from the topics, because nothing of tidecast needs it any more, and why."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kafka import KafkaConsumer, TopicPartition

from tidecast.state.settings import Settings
from tidecast.streams.checkpoints import CheckpointLog, Owner
from tidecast.streams.clients import admin_client, connect_consumer, translated
from tidecast.streams.deep_history import MOST_RECORDS
from tidecast.streams.shelf import KEEP
from tidecast.streams.topics import partition_counts, topic_names

__all__ = ["STORED", "Spare", "delete_spare", "find_spare"]

STORED = ("windows", "scores", "predictions")
"""The topics whose records the sink stores; others may read them too."""


@dataclass(frozen=True)
class Spare:
    """The records of a partition from ``begin`` to before ``end`` may go; ``reason`` says why."""

    topic: str
    partition: int
    begin: int
    end: int
    reason: str

    @property
    def count(self) -> int:
        """How many offsets may go."""
        return max(0, self.end - self.begin)


def find_spare(settings: Settings, stored: Sequence[str] = ()) -> list[Spare]:
    """Return what may go of the cuts topic and, where named, of topics that the sink stores.

    Cuts stay from the position of the forecaster's second-best checkpoint on; what is ``stored``
    stays from the offset that the sink has committed on, and of the windows the last ones, where
    deep models are asked.

    Raises
    ------
    CheckpointError
        When the forecaster's checkpoint is damaged or belongs to other settings.
    ServiceError
        When there is no broker or no topic of checkpoints, or it refuses.
    """
    names = topic_names(settings.kafka.topic_prefix)
    wanted = [_cuts(settings, names.cuts)]
    if stored:
        wanted += _committed(settings, [getattr(names, name) for name in stored])
    places = [place for place, _, _ in wanted]
    with translated(settings.kafka), connect_consumer(settings.kafka) as consumer:
        begins, ends = _extents(consumer, places)
    looked_back_at = {names.windows: MOST_RECORDS} if "deep" in settings.forecast.experts else {}
    return [
        Spare(
            place.topic,
            place.partition,
            begins[place],
            min(before, ends[place] - looked_back_at.get(place.topic, 0)),
            reason,
        )
        for place, before, reason in wanted
    ]


def delete_spare(settings: Settings, spare: Iterable[Spare]) -> None:
    """Delete what ``find_spare`` returned.

    Raises
    ------
    ServiceError
        When there is no broker, or it refuses.
    """
    before = {TopicPartition(s.topic, s.partition): s.end for s in spare if s.count}
    if before:
        with admin_client(settings.kafka) as admin:
            admin.delete_records(before)


Wanted = tuple[TopicPartition, int, str]  # place, the offset from which on it is needed, why


def _cuts(settings: Settings, topic: str) -> Wanted:
    partition_counts(settings.kafka, [topic_names(settings.kafka.topic_prefix).checkpoints])
    owner = Owner.shard(0)
    kept = asyncio.run(CheckpointLog(settings).kept(owner))
    place = TopicPartition(topic, owner.partition)
    if len(kept) < KEEP:
        return place, 0, f"all needed: the forecaster has {len(kept)} of {KEEP} checkpoints"
    return place, kept[0].position, "before the forecaster's second-last checkpoint"


def _committed(settings: Settings, topics: Sequence[str]) -> list[Wanted]:
    group = f"{settings.kafka.group}.sink"
    with admin_client(settings.kafka) as admin:
        described = {topic["name"]: topic["partitions"] for topic in admin.describe_topics(topics)}
        committed = admin.list_group_offsets(group)[group]
    places = [TopicPartition(topic, n) for topic in topics for n in range(len(described[topic]))]
    return [
        (place, committed[place].offset, "stored by the sink")
        if place in committed
        else (place, 0, "all needed: the sink has committed nothing")
        for place in places
    ]


def _extents(
    consumer: KafkaConsumer, places: Sequence[TopicPartition]
) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
    return consumer.beginning_offsets(places), consumer.end_offsets(places)
