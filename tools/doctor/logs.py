"""The last records of topics: checkpoints and their age, progress, and time stamps to come."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from kafka import KafkaConsumer, TopicPartition
from pydantic import ValidationError

from tidecast.state.settings import Settings
from tidecast.streams.checkpoints import Owner
from tidecast.streams.schemas.checkpoints import CheckpointManifest
from tidecast.streams.schemas.forecasts import ProgressRecord
from tidecast.streams.signing import Signing
from tidecast.streams.topics import topic_names
from tidecast.tools.doctor.findings import Finding, fail, ok, warn
from tidecast.tools.doctor.seen import BrokerSeen

__all__ = ["examine_checkpoints", "examine_progress", "examine_stamps", "judge_checkpoint"]

TAIL = 256  # records: more than the chunks of one checkpoint, as a rule
OLD_SECONDS = 600
AHEAD_SECONDS = 3_600
READ_SECONDS = 10.0


def examine_stamps(
    settings: Settings, consumer: KafkaConsumer, seen: BrokerSeen
) -> Iterator[Finding]:
    """Look for sources whose newest records are stamped later than this clock."""
    now = time.time()
    for source in settings.sources:
        stamps = [
            record.timestamp / 1000
            for number in range(seen.topics[source.topic].partitions)
            for record in _tail(consumer, TopicPartition(source.topic, number), 1)
        ]
        ahead = max(stamps, default=now) - now
        if ahead > AHEAD_SECONDS:
            yield warn(
                f"clock of {source.name}",
                f"its newest record is stamped {ahead / 3600:.1f} h ahead of this clock",
                "set the producers' clocks and this one by NTP (`timedatectl`)",
            )


def examine_checkpoints(
    settings: Settings, consumer: KafkaConsumer, seen: BrokerSeen
) -> Iterator[Finding]:
    """Look at the last checkpoint of each owner."""
    topic = topic_names(settings.kafka.topic_prefix).checkpoints
    owners = [Owner.shard(0)] + [
        Owner.source(settings, source.name, number)
        for source in settings.sources
        for number in range(seen.topics[source.topic].partitions)
    ]
    none, fine, oldest = [], 0, 0.0
    for owner in owners:
        found = None
        if owner.partition < seen.topics[topic].partitions:
            found = _last_manifest(consumer, topic, owner, Signing(settings.checkpoints))
        if found is None:
            none.append(owner.name)
            continue
        manifest, age, complaint = found
        finding = judge_checkpoint(manifest, settings.fingerprint(), complaint)
        if finding is None:
            fine, oldest = fine + 1, max(oldest, age)
        else:
            yield finding
    if none:
        yield warn("checkpoints", f"none yet of {', '.join(none)}", "`tidecast worker all`")
    if fine:
        yield ok("checkpoints", f"{fine} owner(s), the oldest written {oldest:,.0f} s ago")


def judge_checkpoint(
    manifest: CheckpointManifest, fingerprint: str, complaint: str | None = None
) -> Finding | None:
    """Return what is wrong with an owner's last checkpoint; None where nothing is.

    ``complaint`` is about its signature.
    """
    if complaint is not None:
        found, _, remedy = complaint.rpartition(": ")
        return fail(f"checkpoint of {manifest.owner}", found, remedy)
    if manifest.settings == fingerprint:
        return None
    return fail(
        f"checkpoint of {manifest.owner}",
        f"made under other settings ({manifest.settings}, now {fingerprint})",
        "go back to those settings, `tidecast migrate`, or another kafka.topic_prefix",
    )


def examine_progress(
    settings: Settings, consumer: KafkaConsumer, seen: BrokerSeen
) -> Iterator[Finding]:
    """Look how long ago the forecaster last said how far it is, and what it has not read since."""
    names = topic_names(settings.kafka.topic_prefix)
    cuts = TopicPartition(names.cuts, 0)
    records = _tail(consumer, TopicPartition(names.progress, 0), 1)
    unread = consumer.end_offsets([cuts])[cuts]
    if not records:
        if unread:
            found = f"no bin has closed yet; {unread:,} cuts wait"
            yield warn("progress", found, "see which partition `tidecast_holds_time_back` names")
        return
    try:
        progress = ProgressRecord.model_validate_json(records[-1].value)
    except ValidationError:
        yield fail("progress", "its last record cannot be read", "another kafka.topic_prefix")
        return
    age = max(0.0, time.time() - records[-1].timestamp / 1000)
    waiting = max(0, unread - progress.position)
    found = f"bins closed up to {progress.time:%Y-%m-%d %H:%M:%S}, {age:,.0f} s ago"
    if waiting and age > OLD_SECONDS:
        remedy = "`tidecast worker forecast`; see which partition `tidecast_holds_time_back` names"
        yield warn("progress", f"{found}; {waiting:,} cuts since", remedy)
    else:
        yield ok("progress", found)


def _last_manifest(
    consumer: KafkaConsumer, topic: str, owner: Owner, signing: Signing
) -> tuple[CheckpointManifest, float, str | None] | None:
    """Return the last manifest near the end of the owner's partition, and its age in seconds.

    Also what is wrong with its signature, None where nothing is.
    """
    for record in reversed(_tail(consumer, TopicPartition(topic, owner.partition), TAIL)):
        if record.key != owner.name.encode():
            continue
        try:
            manifest = CheckpointManifest.model_validate_json(record.value)
        except ValidationError:
            continue
        age = max(0.0, time.time() - record.timestamp / 1000)
        return manifest, age, signing.complaint(orjson.loads(record.value))
    return None


def _tail(consumer: KafkaConsumer, place: TopicPartition, count: int) -> Sequence[Any]:
    """Return the last records of a partition, fewer where it has fewer or does not answer."""
    end = consumer.end_offsets([place])[place]
    start = max(consumer.beginning_offsets([place])[place], end - count)
    consumer.assign([place])
    consumer.seek(place, start)
    found: list[Any] = []
    deadline = time.monotonic() + READ_SECONDS
    while consumer.position(place) < end and time.monotonic() < deadline:
        for records in consumer.poll(500).values():
            found += records
    return found
