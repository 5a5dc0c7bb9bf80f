"""Whether the broker and each topic are as a fold over a log needs them: no broker is asked here.

``seen.look`` asked it. What takes records away (compaction, retention of our own topics) fails,
for a worker would compute something else; what only a guess can judge is a warning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tidecast.state.settings import KafkaSettings, Settings
from tidecast.streams.topics import NO_LIMIT, TopicPlan, plan_topics, topic_names
from tidecast.tools.doctor.findings import Finding, fail, merged, ok, warn
from tidecast.tools.doctor.seen import BrokerSeen, TopicSeen

__all__ = ["judge_broker", "judge_topics"]

OLDEST = (2, 3)  # static membership
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
READ, WRITE = frozenset({"READ"}), frozenset({"WRITE"})
CREATE = "tidecast topics create"


def judge_broker(settings: KafkaSettings, seen: BrokerSeen) -> Iterator[Finding]:
    """Judge the age and size of the cluster."""
    version = ".".join(map(str, seen.version))
    found = f"Kafka {version} or newer at {settings.bootstrap}, {seen.brokers} broker(s)"
    if seen.version < OLDEST:
        yield warn("broker", f"{found}: too old for --slot", "upgrade it to 2.3 or newer")
    else:
        yield ok("broker", found)


def judge_topics(settings: Settings, seen: BrokerSeen) -> Iterator[Finding]:
    """Judge each topic that tidecast reads or writes, one finding a topic."""
    counts = [seen.topics[source.topic].partitions for source in settings.sources]
    for plan in plan_topics(settings, max(1, *counts)):
        topic, subject = seen.topics[plan.name], f"topic {plan.name}"
        if topic.denied:
            words = ["Describe", *_words(_needs(settings)[plan.name])]
            grant = _grant(settings, plan, words)
            yield fail(subject, f"{_user(settings)} may not see it", grant)
        elif not topic.partitions:
            yield fail(subject, "does not exist", f"`{CREATE}`")
        else:
            found = [
                *_partitions(settings, plan, topic),
                *_records_kept(settings, plan, topic),
                *_records_taken(settings, plan, topic),
                *_copies(settings, seen, plan, topic),
                *_rights(settings, plan, topic),
            ]
            yield merged(subject, found, f"{topic.partitions} partition(s), as planned")


def _partitions(settings: Settings, plan: TopicPlan, topic: TopicSeen) -> Iterator[Finding]:
    names = topic_names(settings.kafka.topic_prefix)
    if plan.name == names.checkpoints and topic.partitions < plan.partitions:
        alter = f"kafka-topics {_server(settings)} --alter --topic {plan.name}"
        yield warn(
            "",
            f"{topic.partitions} partitions, the sources need {plan.partitions}: ingest adds them "
            "if it may",
            f"`{alter} --partitions {plan.partitions}`",
        )


def _records_kept(settings: Settings, plan: TopicPlan, topic: TopicSeen) -> Iterator[Finding]:
    """Look for what takes records away."""
    config = topic.config or {}
    is_source = plan.name in {source.topic for source in settings.sources}
    if (policy := config.get("cleanup.policy", "delete")) != "delete":
        change = _set(settings, plan, "cleanup.policy=delete")
        yield fail("", f"cleanup.policy is {policy}, which takes records away", change)
    kept_ms = int(config.get("retention.ms", -1))
    if kept_ms >= 0 and not is_source:
        change = _set(settings, plan, "retention.ms=-1")
        yield fail("", f"records go after {_span(kept_ms)}, which a restart may need", change)
    elif 0 <= kept_ms < DAY_MS:
        change = _set(settings, plan, f"retention.ms={7 * DAY_MS}")
        yield warn("", f"records go after {_span(kept_ms)}, read or not", change)
    if int(config.get("retention.bytes", -1)) >= 0 and not is_source:
        change = _set(settings, plan, "retention.bytes=-1")
        yield fail("", f"records go beyond {config['retention.bytes']} bytes", change)


def _records_taken(settings: Settings, plan: TopicPlan, topic: TopicSeen) -> Iterator[Finding]:
    """Look for what makes the broker refuse records."""
    config = topic.config or {}
    wanted = plan.config.get("max.message.bytes")
    if wanted and int(config.get("max.message.bytes", wanted)) < int(wanted):
        change = _set(settings, plan, f"max.message.bytes={wanted}")
        yield warn("", f"records may have {config['max.message.bytes']} bytes only", change)
    for side in ("before", "after"):
        key = f"message.timestamp.{side}.max.ms"
        limit = int(config.get(key, NO_LIMIT))
        if limit < int(NO_LIMIT):
            change = _set(settings, plan, f"{key}={NO_LIMIT}")
            yield warn("", f"refuses records of {_span(limit)} {side} its clock", change)


def _copies(
    settings: Settings, seen: BrokerSeen, plan: TopicPlan, topic: TopicSeen
) -> Iterator[Finding]:
    """Hold the copies that there are against those that a write waits for (acks=all)."""
    least = int((topic.config or {}).get("min.insync.replicas", 1))
    if topic.in_sync < least:
        yield fail(
            "",
            f"takes no writes: {topic.in_sync} of {topic.replicas} copies are in sync, "
            f"min.insync.replicas is {least}",
            "start the brokers that are away, or "
            + _set(settings, plan, f"min.insync.replicas={max(1, topic.in_sync)}"),
        )
    elif 1 < topic.replicas == least:
        change = _set(settings, plan, f"min.insync.replicas={least - 1}")
        yield warn("", f"one broker away stops all writes (min.insync.replicas {least})", change)
    elif topic.replicas > least == 1 and topic.replicas > 2:
        change = _set(settings, plan, "min.insync.replicas=2")
        yield warn("", "one copy is enough for acks=all", change)
    if topic.replicas < min(settings.kafka.replication_factor, seen.brokers):
        yield warn(
            "",
            f"{topic.replicas} copies, kafka.replication_factor is "
            f"{settings.kafka.replication_factor}",
            "`kafka-reassign-partitions`, or make the topic anew",
        )


def _rights(settings: Settings, plan: TopicPlan, topic: TopicSeen) -> Iterator[Finding]:
    if topic.rights is None or not (lacking := _needs(settings)[plan.name] - topic.rights):
        return
    words = _words(lacking)
    found = f"{_user(settings)} may not {' or '.join(words).lower()}"
    yield fail("", found, _grant(settings, plan, words))


def _words(rights: frozenset[str]) -> list[str]:
    return [right.capitalize() for right in sorted(rights)]


def _needs(settings: Settings) -> Mapping[str, frozenset[str]]:
    """Return what the workers together do with each topic."""
    names = topic_names(settings.kafka.topic_prefix)
    asks_deep = "deep" in settings.forecast.experts
    told = (*(source.topic for source in settings.sources), *settings.covariate_topics)
    return dict.fromkeys(told, READ) | {
        names.cuts: READ | WRITE,
        names.windows: READ | WRITE,
        names.deep_forecasts: READ | (WRITE if asks_deep else frozenset()),
        names.predictions: READ | WRITE,
        names.scores: READ | WRITE,
        names.progress: READ | WRITE,
        names.late: WRITE,
        names.dead_letters: WRITE,
        names.checkpoints: READ | WRITE | {"DELETE"},
    }


def _user(settings: Settings) -> str:
    sasl = settings.kafka.sasl
    return "our user" if sasl is None else f"user {sasl.user}"


def _server(settings: Settings) -> str:
    return f"--bootstrap-server {settings.kafka.bootstrap}"


def _grant(settings: Settings, plan: TopicPlan, words: list[str]) -> str:
    user = "NAME" if settings.kafka.sasl is None else settings.kafka.sasl.user
    operations = " ".join(f"--operation {word}" for word in words)
    who = f"--allow-principal User:{user}"
    return f"`kafka-acls {_server(settings)} --add {who} {operations} --topic {plan.name}`"


def _set(settings: Settings, plan: TopicPlan, change: str) -> str:
    start = f"kafka-configs {_server(settings)} --alter --topic {plan.name}"
    return f"`{start} --add-config {change}`"


def _span(milliseconds: int) -> str:
    if milliseconds % DAY_MS == 0 and milliseconds:
        return f"{milliseconds // DAY_MS} d"
    if milliseconds >= HOUR_MS:
        return f"{milliseconds / HOUR_MS:.1f} h"
    return f"{milliseconds / 1000:g} s"
