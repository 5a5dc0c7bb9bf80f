"""One visit: all checks in their order; what is away ends its own part only."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tidecast.state.settings import Settings
from tidecast.streams.clients import admin_client, connect_consumer, translated
from tidecast.streams.topics import plan_topics
from tidecast.tools.doctor.findings import Finding, guarded
from tidecast.tools.doctor.groups import examine_groups
from tidecast.tools.doctor.logs import examine_checkpoints, examine_progress, examine_stamps
from tidecast.tools.doctor.machine import examine_deep, examine_files, examine_room
from tidecast.tools.doctor.seen import look
from tidecast.tools.doctor.store import examine_store
from tidecast.tools.doctor.topics import judge_broker, judge_topics

__all__ = ["visit"]


def visit(settings: Settings) -> Iterator[Finding]:
    """Yield every finding about what a live run under ``settings`` needs."""
    yield from guarded("settings", lambda: examine_files(settings))
    yield from examine_room()
    yield from examine_deep(settings)
    yield from guarded("broker", lambda: _examine_broker(settings))
    yield from guarded("clickhouse", lambda: examine_store(settings.clickhouse))


def _examine_broker(settings: Settings) -> Iterator[Finding]:
    with admin_client(settings.kafka) as admin:
        seen = look(admin, [plan.name for plan in plan_topics(settings, 1)])
        yield from judge_broker(settings.kafka, seen)
        yield from judge_topics(settings, seen)
        if not all(topic.partitions for topic in seen.topics.values()):
            return  # the logs that the others would be read from are not all there
        consumer = connect_consumer(
            settings.kafka, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        try:
            for subject, findings in {
                "clocks": examine_stamps(settings, consumer, seen),
                "groups": examine_groups(settings, admin, consumer, seen),
                "checkpoints": examine_checkpoints(settings, consumer, seen),
                "progress": examine_progress(settings, consumer, seen),
            }.items():
                yield from guarded(subject, partial(_translated, settings, findings))
        finally:
            consumer.close()


def _translated(settings: Settings, findings: Iterator[Finding]) -> Iterator[Finding]:
    """Pass findings on; an error of the client among them becomes one of ours."""
    with translated(settings.kafka):
        yield from findings
