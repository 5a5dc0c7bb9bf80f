"""The topics: their names, how each must be, and making them so.

Records carry event times, which may lie years back (or ahead) of the broker's clock. A topic with
Kafka's defaults deletes the old ones within a minute and refuses those of the future; so every
topic here keeps records without a limit of time. Compaction would drop records that a fold over
the log needs: none may be compacted.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource
from kafka.errors import TopicAuthorizationFailedError

from tidecast.state.errors import ServiceError
from tidecast.state.settings import KafkaSettings, Settings
from tidecast.streams.clients import admin_client

__all__ = [
    "NO_LIMIT",
    "TopicNames",
    "TopicPlan",
    "TopicReport",
    "create_topics",
    "describe_topics",
    "ensure_partitions",
    "partition_counts",
    "plan_topics",
    "topic_ids",
    "topic_names",
]

FOREVER = "-1"
NO_LIMIT = str(2**63 - 1)
AHEAD = "message.timestamp.after.max.ms"  # unknown to brokers before 3.6, which have no such limit
LARGE_BYTES = 64 << 20  # a record of 20 MB travels to the dead letters whole, in base64
ALREADY_EXISTS = 36
INVALID_PARTITIONS = 37  # somebody else was quicker
INVALID_CONFIG = 40
NO_ID = str(uuid.UUID(int=0))


@dataclass(frozen=True)
class TopicNames:
    """The topics that tidecast writes."""

    cuts: str
    windows: str
    deep_forecasts: str
    predictions: str
    scores: str
    progress: str
    late: str
    dead_letters: str
    checkpoints: str


@dataclass(frozen=True)
class TopicPlan:
    """How a topic must be: at least so many partitions, and these settings."""

    name: str
    partitions: int
    config: Mapping[str, str]


@dataclass(frozen=True)
class TopicReport:
    """How a topic is; ``remarks`` say where that is not as planned."""

    name: str
    partitions: int
    created: bool
    remarks: tuple[str, ...] = ()


def topic_names(prefix: str) -> TopicNames:
    """Return the names under ``kafka.topic_prefix``.

    Examples
    --------
    >>> topic_names("shop").deep_forecasts
    'shop.deep-forecasts'
    """
    names = {part.name: part.name.replace("_", "-") for part in fields(TopicNames)}
    return TopicNames(**{part: f"{prefix}.{name}" for part, name in names.items()})


def plan_topics(settings: Settings, partitions: int) -> tuple[TopicPlan, ...]:
    """Return the topics that tidecast reads, and those that it writes.

    The source topics have ``partitions`` each, those of covariates one.

    The forecaster's input log and what it writes in order have one partition: one shard. Each
    source partition and the shard has a partition of checkpoints to itself.
    """
    names = topic_names(settings.kafka.topic_prefix)
    small = _config({})
    large = _config({"max.message.bytes": str(LARGE_BYTES)})
    sources = [TopicPlan(source.topic, partitions, small) for source in settings.sources]
    return (
        *sources,
        *(TopicPlan(topic, 1, small) for topic in settings.covariate_topics),
        TopicPlan(names.cuts, 1, large),
        TopicPlan(names.windows, 1, large),
        TopicPlan(names.deep_forecasts, 1, large),
        TopicPlan(names.predictions, partitions, small),
        TopicPlan(names.scores, 1, large),
        TopicPlan(names.progress, 1, small),
        TopicPlan(names.late, 1, large),
        TopicPlan(names.dead_letters, 1, large),
        TopicPlan(names.checkpoints, 1 + partitions * len(settings.sources), large),
    )


def create_topics(settings: KafkaSettings, plans: Sequence[TopicPlan]) -> list[TopicReport]:
    """Make the topics that do not exist, leave the others alone, and say how each is.

    Raises
    ------
    ServiceError
        When there is no broker, or it refuses a topic.
    """
    with admin_client(settings) as admin:
        created = {p.name for p in plans if _create(admin, p, settings.replication_factor)}
        admin.wait_for_topics(sorted(created))
        return [_report(admin, plan, plan.name in created) for plan in plans]


def describe_topics(settings: KafkaSettings, plans: Sequence[TopicPlan]) -> list[TopicReport]:
    """Say how each topic is; one that does not exist has no partitions.

    Raises
    ------
    ServiceError
        When there is no broker.
    """
    with admin_client(settings) as admin:
        return [_report(admin, plan, created=False) for plan in plans]


def partition_counts(settings: KafkaSettings, topics: Iterable[str]) -> dict[str, int]:
    """Return how many partitions each topic has.

    Raises
    ------
    ServiceError
        When there is no broker, or a topic does not exist.
    """
    with admin_client(settings) as admin:
        counts = {topic: _partitions(admin, topic) for topic in topics}
    for topic, count in counts.items():
        if not count:
            raise ServiceError(
                f"topic {topic} does not exist on {settings.bootstrap}: "
                "make it with `tidecast topics create`, or mend its name in the settings"
            )
    return counts


def topic_ids(settings: KafkaSettings, topics: Sequence[str]) -> dict[str, str | None]:
    """Return the id that the broker gave each topic when it was made.

    None where there is no such topic, or the broker (before 2.8) gives no ids.

    Raises
    ------
    ServiceError
        When there is no broker.
    """
    with admin_client(settings) as admin:
        found = {topic["name"]: topic.get("topic_id") for topic in admin.describe_topics(topics)}
    return {topic: None if found.get(topic) == NO_ID else found.get(topic) for topic in topics}


def ensure_partitions(settings: KafkaSettings, topic: str, count: int) -> None:
    """Give ``topic`` more partitions where it has fewer than ``count``.

    Raises
    ------
    ServiceError
        When there is no broker, or it refuses.
    """
    with admin_client(settings) as admin:
        if _partitions(admin, topic) >= count:
            return
        answer = admin.create_partitions({topic: count}, raise_errors=False).results[0]
    if answer.error_code not in (0, INVALID_PARTITIONS):
        raise ServiceError(
            f"the broker refuses to give topic {topic} {count} partitions: "
            f"{answer.error_message or answer.error_code}: add them with an administrator's rights"
        )


def _config(extra: Mapping[str, str]) -> dict[str, str]:
    return {
        "cleanup.policy": "delete",
        "retention.ms": FOREVER,
        "retention.bytes": FOREVER,
        "compression.type": "producer",
        AHEAD: NO_LIMIT,
        **extra,
    }


def _create(admin: KafkaAdminClient, plan: TopicPlan, replicas: int) -> bool:
    """Create a topic; False when it already exists."""
    code, message = _request(admin, plan, replicas, plan.config)
    if code == INVALID_CONFIG:  # an older broker
        config = {key: value for key, value in plan.config.items() if key != AHEAD}
        code, message = _request(admin, plan, replicas, config)
    if code not in (0, ALREADY_EXISTS):
        raise ServiceError(f"the broker refuses to make topic {plan.name}: {message}")
    return code == 0


def _request(
    admin: KafkaAdminClient, plan: TopicPlan, replicas: int, config: Mapping[str, str]
) -> tuple[int, str]:
    wanted = {
        "num_partitions": plan.partitions,
        "replication_factor": replicas,
        "configs": dict(config),
    }
    answer = admin.create_topics({plan.name: wanted}, raise_errors=False)["topics"][0]
    return answer["error_code"], answer["error_message"] or f"error {answer['error_code']}"


def _partitions(admin: KafkaAdminClient, topic: str) -> int:
    """Return how many partitions a topic has; 0 when it does not exist."""
    found = admin.describe_topics([topic])[0]
    if found["error_code"] == TopicAuthorizationFailedError.errno:
        raise TopicAuthorizationFailedError(topic)
    return len(found["partitions"])


def _report(admin: KafkaAdminClient, plan: TopicPlan, created: bool) -> TopicReport:
    partitions = _partitions(admin, plan.name)
    if not partitions:
        return TopicReport(plan.name, 0, created, ("does not exist",))
    answer = admin.describe_configs([ConfigResource("topic", plan.name)], config_filter="all")
    actual = answer["topic"][plan.name]
    remarks = [
        f"{key} is {actual[key]['value']}, should be {wanted}"
        for key, wanted in plan.config.items()
        if key in actual and not _fits(key, actual[key]["value"], wanted)
    ]
    if partitions < plan.partitions:
        remarks.insert(0, f"has {partitions} partitions, should have {plan.partitions}")
    return TopicReport(plan.name, partitions, created, tuple(remarks))


def _fits(key: str, actual: Any, wanted: str) -> bool:
    """Tell whether a topic's setting allows what is wanted; a larger limit does."""
    if key in ("cleanup.policy", "compression.type"):
        return bool(actual == wanted)
    return _limit(str(actual)) >= _limit(wanted)


def _limit(value: str) -> int:
    return int(NO_LIMIT) if value == FOREVER else int(value)
