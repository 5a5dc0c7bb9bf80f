"""Source topics that change under live workers: grown, truncated, made anew, or far ahead."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click_settings import click_settings
from clicks import click, minutes
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from live import Live, Worker, live, wait_until

from tidecast.state.cuts import END_OF_LOG

SETTINGS = click_settings(
    width="1m", horizon=3, max_disorder="5s", allowed_lateness="1d", idle_timeout="1h", max_gap="7d"
)


def recount(values: Iterable[bytes]) -> Counter[str]:
    """Return how many events each minute has."""
    return Counter(json.loads(value)["event_time"][:16] for value in values)


@pytest.fixture
def pipeline(kafka_bootstrap: str, topic_prefix: str, tmp_path: Path) -> Iterator[Live]:
    """A pipeline of one source with two partitions, without a worker yet."""
    with live(tmp_path, kafka_bootstrap, topic_prefix, SETTINGS, {}) as pipeline:
        pipeline.command("topics", "create", "--partitions", "2")
        yield pipeline


@pytest.fixture
def admin(pipeline: Live) -> Iterator[KafkaAdminClient]:
    client = KafkaAdminClient(bootstrap_servers=pipeline.bootstrap)
    yield client
    client.close()


def source_of(pipeline: Live) -> str:
    return pipeline.settings.sources[0].topic


def send(
    pipeline: Live, partitions: dict[int, list[bytes]], transactional_id: str | None = None
) -> None:
    """Send records to partitions of the source topic, one after another."""
    pairs = [(partition, value) for partition, values in partitions.items() for value in values]
    send_in_order(pipeline, pairs, transactional_id)


def send_in_order(
    pipeline: Live, pairs: list[tuple[int, bytes]], transactional_id: str | None = None
) -> None:
    """Send (partition, value) to the source topic in this order, and wait for their arrival."""
    options: dict[str, Any] = {"transactional_id": transactional_id} if transactional_id else {}
    producer = KafkaProducer(bootstrap_servers=pipeline.bootstrap, acks="all", **options)
    try:
        if transactional_id:
            producer.init_transactions()
            producer.begin_transaction()
        sent = [
            producer.send(source_of(pipeline), value, b"key", partition=partition)
            for partition, value in pairs
        ]
        for future in sent:
            future.get(60)
        if transactional_id:
            producer.commit_transaction()
    finally:
        producer.close()


def inputs(pipeline: Live, kind: str) -> list[dict[str, Any]]:
    """Return the messages of one type in the forecaster's input log."""
    found = [json.loads(value) for value in pipeline.values(pipeline.topics.cuts)]
    return [message for message in found if message["type"] == kind]


def letters(pipeline: Live) -> list[tuple[int, int, str]]:
    """Return (partition, offset, reason) of the dead letters."""
    found = [json.loads(value) for value in pipeline.values(pipeline.topics.dead_letters)]
    return [(letter["partition"], letter["offset"], letter["reason"]) for letter in found]


def slabs(pipeline: Live) -> Counter[str]:
    """Return the events of each minute, by its slab's last revision."""
    windows = [json.loads(value) for value in pipeline.values(pipeline.topics.windows)]
    last = {w["bin_start"][:16]: w for w in sorted(windows, key=lambda w: int(w["revision"]))}
    return Counter({start: w["events"] for start, w in last.items() if w["events"]})


def says(worker: Worker, words: str) -> bool:
    return words in worker.log.read_text(errors="replace")


def complaint(pipeline: Live, role: str) -> tuple[int, str]:
    """Run a worker that is to end by itself; return its exit code and what it complains of."""
    command = [sys.executable, "-m", "tidecast.tools.main"]
    ended = subprocess.run(
        [*command, "--settings", str(pipeline.settings_path), "worker", role],
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return ended.returncode, ended.stderr


def checkpointed(pipeline: Live, values: dict[int, list[bytes]]) -> None:
    """Let a worker fold and checkpoint ``values``, and stop it."""
    worker = pipeline.start("ingest")
    send(pipeline, values)
    pipeline.wait_for(pipeline.topics.checkpoints, 2 * len(values))  # a chunk and a manifest each
    assert worker.stop() == 0
    del pipeline.workers["ingest-0"]


def test_partitions_added_while_running_are_read_and_nothing_of_them_is_lost(
    pipeline: Live, admin: KafkaAdminClient
) -> None:
    topic, sent = source_of(pipeline), []

    def trade(first: int, last: int, partitions: int) -> None:
        pairs = [(n, value) for value in minutes(first, last) for n in range(partitions)]
        sent.extend(value for _, value in pairs)
        send_in_order(pipeline, pairs)

    pipeline.start("ingest")
    pipeline.start("ingest", "1")
    pipeline.start("forecast")
    trade(0, 5, 2)
    pipeline.wait_for(pipeline.topics.windows, 3)
    admin.create_partitions({topic: 4})
    trade(5, 20, 4)  # before anybody knows of the new partitions

    def joined() -> set[int]:
        return {message["partition"] for message in inputs(pipeline, "join")}

    pipeline.wait(lambda: joined() == {0, 1, 2, 3}, "partitions 2 and 3 to join")
    trade(20, 25, 4)
    send(pipeline, {n: [END_OF_LOG] for n in range(4)})
    pipeline.wait(lambda: slabs(pipeline) == recount(sent), "slabs equal to the recount")
    assert letters(pipeline) == []
    assert pipeline.ends(pipeline.topics.late) == 0


def test_partitions_added_while_the_only_worker_was_away_for_a_moment_are_read(
    pipeline: Live, admin: KafkaAdminClient
) -> None:
    """Its group takes it back at once, as the leader, and tells it nothing of that."""
    sent = minutes(0, 5)
    send(pipeline, {0: sent})
    worker = pipeline.start("ingest")
    pipeline.wait(lambda: says(worker, "assigned:"), "an assignment")
    worker.kill()
    admin.create_partitions({source_of(pipeline): 3})
    again = pipeline.start("ingest")
    send(pipeline, {2: [*minutes(0, 5), END_OF_LOG]})
    pipeline.wait(
        lambda: any(message["partition"] == 2 for message in inputs(pipeline, "cut")),
        "cuts of the new partition",
    )
    assert says(again, f"{source_of(pipeline)}/0'")


def test_one_worker_reads_more_partitions_than_it_has_buffers(
    pipeline: Live, admin: KafkaAdminClient
) -> None:
    count = 40
    admin.create_partitions({source_of(pipeline): count})
    sent = {n: minutes(0, 5 + n % 3) for n in range(count)}
    send(pipeline, {n: [*values, END_OF_LOG] for n, values in sent.items()})
    pipeline.start("ingest")
    pipeline.start("forecast")
    whole = recount(value for values in sent.values() for value in values)
    pipeline.wait(lambda: slabs(pipeline) == whole, "slabs equal to the recount")


def test_records_deleted_below_the_checkpoint_are_a_named_lost_range(
    pipeline: Live, admin: KafkaAdminClient
) -> None:
    checkpointed(pipeline, {0: minutes(0, 2), 1: [END_OF_LOG]})
    rest = minutes(2, 10)
    send(pipeline, {0: [*rest, END_OF_LOG]})
    admin.delete_records({TopicPartition(source_of(pipeline), 0): 20})
    worker = pipeline.start("ingest")
    pipeline.start("forecast")
    whole = recount([*minutes(0, 2), *rest[8:]])  # offsets 12 to 19 are gone
    pipeline.wait(lambda: slabs(pipeline) == whole, "slabs equal to the recount of what is left")
    ((partition, offset, reason),) = letters(pipeline)
    assert (partition, offset) == (0, 12)
    assert reason.startswith("lost: offsets 12 to 19 were deleted before they were read")
    assert says(worker, reason)


def test_records_deleted_while_a_worker_is_behind_are_a_named_lost_range(
    pipeline: Live, admin: KafkaAdminClient
) -> None:
    worker = pipeline.start("ingest")
    pipeline.start("forecast")
    send(pipeline, {0: minutes(0, 2), 1: [END_OF_LOG]})
    pipeline.wait(lambda: len(inputs(pipeline, "cut")) >= 2, "cuts of both partitions")
    worker.process.send_signal(signal.SIGSTOP)
    send(pipeline, {0: minutes(2, 3)})  # the answer to what it asked for before it stopped
    send(pipeline, {0: minutes(3, 10)})
    admin.delete_records({TopicPartition(source_of(pipeline), 0): 40})
    worker.process.send_signal(signal.SIGCONT)
    send(pipeline, {0: [*minutes(10, 12), END_OF_LOG]})

    # What was on its way at the stop was read: lost is what the letter says, and nothing else.
    def is_accounted_for() -> bool:
        lost = [
            click(10 * n)
            for _, offset, reason in letters(pipeline)
            for n in range(offset, int(reason.split()[4]) + 1)
        ]
        return bool(lost) and slabs(pipeline) + recount(lost) == recount(minutes(0, 12))

    pipeline.wait(is_accounted_for, "every record in a slab or in the lost range")


def test_a_source_topic_created_anew_ends_ingest_with_5_and_the_way_out(
    pipeline: Live, admin: KafkaAdminClient
) -> None:
    checkpointed(pipeline, {0: minutes(0, 2)})
    topic = source_of(pipeline)
    admin.delete_topics([topic])
    wait_until(lambda: not admin.describe_topics([topic])[0]["partitions"], "the topic's end")
    pipeline.command("topics", "create", "--partitions", "2")
    send(pipeline, {0: minutes(0, 9)})
    code, error = complaint(pipeline, "ingest")
    assert code == 5
    assert f"topic {topic} of source 'clicks' was created anew: its id is" in error
    assert "`tidecast migrate --anew clicks`" in error
    assert "Traceback" not in error


def test_a_lost_checkpoints_topic_ends_ingest_with_5_and_the_way_out(
    pipeline: Live, admin: KafkaAdminClient
) -> None:
    checkpointed(pipeline, {0: minutes(0, 2)})
    topic = pipeline.topics.checkpoints
    admin.delete_topics([topic])
    wait_until(lambda: not admin.describe_topics([topic])[0]["partitions"], "the topic's end")
    pipeline.command("topics", "create", "--partitions", "2")
    code, error = complaint(pipeline, "ingest")
    assert code == 5
    assert f"{source_of(pipeline)}/0 was read up to offset 12 by group" in error
    assert "bring the checkpoints topic back" in error


def test_a_partition_that_ends_with_a_transaction_becomes_idle(pipeline: Live) -> None:
    path = pipeline.settings_path
    path.write_text(path.read_text().replace('idle_timeout = "1h"', 'idle_timeout = "3s"'))
    pipeline.start("ingest")
    send(pipeline, {0: minutes(0, 2)}, transactional_id=source_of(pipeline))

    def idle() -> dict[int, int]:
        return {message["partition"]: message["upto"] for message in inputs(pipeline, "idle")}

    pipeline.wait(lambda: idle().get(0) == 12, "partition 0, with its marker, to be idle")
    pipeline.wait(lambda: idle().get(1) == 0, "partition 1, without any event, to be idle")


def test_a_worker_that_was_frozen_takes_its_own_sleep_for_no_silence(pipeline: Live) -> None:
    path = pipeline.settings_path
    path.write_text(path.read_text().replace('idle_timeout = "1h"', 'idle_timeout = "8s"'))
    worker = pipeline.start("ingest")
    send(pipeline, {0: minutes(0, 2), 1: [END_OF_LOG]})
    pipeline.wait(lambda: len(inputs(pipeline, "cut")) >= 2, "cuts of both partitions")
    worker.process.send_signal(signal.SIGSTOP)
    time.sleep(9)
    send(pipeline, {0: minutes(2, 3)})
    cuts = len(inputs(pipeline, "cut"))
    worker.process.send_signal(signal.SIGCONT)
    pipeline.wait(lambda: len(inputs(pipeline, "cut")) > cuts, "what came meanwhile to be cut")
    assert [message for message in inputs(pipeline, "idle") if message["partition"] == 0] == []


def test_a_partition_far_ahead_waits_for_one_far_behind_and_then_both_finish(
    pipeline: Live,
) -> None:
    worker = pipeline.start("ingest")
    pipeline.start("forecast")
    first, rest = minutes(0, 100), minutes(100, 400)
    send(pipeline, {0: first})
    pipeline.wait(lambda: says(worker, "max_ahead bins ahead of the slabs"), "partition 0 held")
    send(pipeline, {0: rest})
    time.sleep(5)
    cuts = inputs(pipeline, "cut")
    assert cuts
    assert max(cut["upto"] for cut in cuts) < len(first)
    send(pipeline, {1: [*minutes(0, 400, "south"), END_OF_LOG], 0: [END_OF_LOG]})
    whole = recount([*first, *rest, *minutes(0, 400)])
    pipeline.wait(lambda: slabs(pipeline) == whole, "slabs equal to the recount")
