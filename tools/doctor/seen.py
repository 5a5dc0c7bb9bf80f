"""What a broker says of itself and of our topics, asked once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource

__all__ = ["BrokerSeen", "TopicSeen", "look"]

DENIED = 29


@dataclass(frozen=True)
class TopicSeen:
    """A topic as it is.

    ``replicas`` and ``in_sync`` are those of its poorest partition. ``config`` is empty, and
    ``rights`` is None, where the broker does not tell.
    """

    partitions: int = 0
    denied: bool = False
    replicas: int = 0
    in_sync: int = 0
    config: Mapping[str, str] | None = None
    rights: frozenset[str] | None = None


@dataclass(frozen=True)
class BrokerSeen:
    """The cluster: its age as far as its protocol shows it, its brokers, our topics."""

    version: tuple[int, ...]
    brokers: int
    topics: Mapping[str, TopicSeen]


def look(admin: KafkaAdminClient, names: Iterable[str]) -> BrokerSeen:
    """Ask for the cluster and the topics of these names."""
    brokers = admin.describe_cluster()["brokers"]
    age = admin.get_broker_version_data(brokers[0]["broker_id"])
    described = {topic["name"]: topic for topic in admin.describe_topics(list(names))}
    visible = [name for name, topic in described.items() if topic["partitions"]]
    configs = _configs(admin, visible)
    topics = {name: _topic(topic, configs.get(name, {})) for name, topic in described.items()}
    return BrokerSeen(tuple(age.broker_version), len(brokers), topics)


def _configs(admin: KafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    resources = [ConfigResource("topic", name) for name in names]
    found = admin.describe_configs(resources, config_filter="all").get("topic", {})
    return {
        name: {key: str(entry["value"]) for key, entry in config.items()}
        for name, config in found.items()
    }


def _topic(described: Mapping[str, Any], config: Mapping[str, str]) -> TopicSeen:
    parts = described["partitions"]
    rights = described.get("authorized_operations")
    return TopicSeen(
        partitions=len(parts),
        denied=described["error_code"] == DENIED,
        replicas=min((len(part["replica_nodes"]) for part in parts), default=0),
        in_sync=min((len(part["isr_nodes"]) for part in parts), default=0),
        config=config,
        rights=None if rights is None else frozenset(rights),
    )
