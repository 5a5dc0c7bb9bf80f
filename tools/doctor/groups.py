"""How far each role's workers are behind, and whether there are any."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import (
    AuthorizationError,
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
)

from tidecast.state.settings import Settings
from tidecast.streams.topics import topic_names
from tidecast.tools.doctor.findings import Finding, fail, ok, warn
from tidecast.tools.doctor.seen import BrokerSeen

__all__ = ["examine_groups", "judge_group", "read_by"]

MANY = 100_000  # records
UNKNOWN = (CoordinatorNotAvailableError, CoordinatorLoadInProgressError)


def read_by(settings: Settings) -> Mapping[str, Sequence[str]]:
    """Return the topics that each role reads."""
    names = topic_names(settings.kafka.topic_prefix)
    return {
        "ingest": [source.topic for source in settings.sources],
        "forecast": [names.cuts],
        "sink": [names.predictions, names.windows, names.scores],
    }


def examine_groups(
    settings: Settings, admin: KafkaAdminClient, consumer: KafkaConsumer, seen: BrokerSeen
) -> Iterator[Finding]:
    """Look at the consumer group of each role."""
    for role, topics in read_by(settings).items():
        group = f"{settings.kafka.group}.{role}"
        places = [
            TopicPartition(topic, number)
            for topic in topics
            for number in range(seen.topics[topic].partitions)
        ]
        try:
            members, committed = _group(admin, group)
            ends = consumer.end_offsets(places)
            begins = consumer.beginning_offsets(places)
        except UNKNOWN:
            members, committed, begins, ends = 0, {}, {}, {}
        except AuthorizationError:
            yield _denied(settings, group)
            continue
        behind = sum(
            max(0, end - max(committed.get(place, 0), begins[place])) for place, end in ends.items()
        )
        yield judge_group(role, group, members, behind)


def judge_group(role: str, group: str, members: int, behind: int) -> Finding:
    """Judge how many ``members`` a group has, and how many records it is ``behind``."""
    subject, found = f"group {group}", f"{members} worker(s), {behind:,} records behind"
    if not members:
        return warn(subject, found, f"`tidecast worker {role}`")
    if behind > MANY:
        return warn(subject, found, f"wait, or start more: `tidecast worker {role} --slot NAME`")
    return ok(subject, found)


def _group(admin: KafkaAdminClient, group: str) -> tuple[int, dict[TopicPartition, int]]:
    members = len(admin.describe_groups([group])[group]["members"])
    found = admin.list_group_offsets({group: None})[group]
    return members, {place: known.offset for place, known in found.items()}


def _denied(settings: Settings, group: str) -> Finding:
    user = "NAME" if settings.kafka.sasl is None else settings.kafka.sasl.user
    remedy = (
        f"`kafka-acls --bootstrap-server {settings.kafka.bootstrap} --add "
        f"--allow-principal User:{user} --operation Read --group {group}`"
    )
    return fail(f"group {group}", "our user may not read it", remedy)
