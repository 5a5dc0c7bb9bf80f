"""How workers end, by whom they are started again, and what their probes say meanwhile."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click_settings import click_settings
from kafka import KafkaConsumer, TopicPartition
from live import Live, Worker, live, wait_until

from tidecast.tools.services import Endpoints, KafkaEndpoint
from tidecast.tools.services.kafka import prepare_kafka
from tidecast.tools.services.ports import free_ports
from tidecast.tools.services.process import OwnProcess

SETTINGS = click_settings(
    width="1m", horizon=3, max_disorder="5s", allowed_lateness="2m", idle_timeout="1h"
)
CURSOR = b"\x1b["


def clicks(count: int) -> list[bytes]:
    """Return clicks, one every three seconds."""
    fields = {"region": "north", "category": "books", "kind": "view", "value": 1}
    times = [
        f"2026-01-31T{12 + n // 1200:02}:{n // 20 % 60:02}:{3 * (n % 20):02}Z" for n in range(count)
    ]
    return [json.dumps({"event_time": time, **fields}).encode() for time in times]


def committed(pipeline: Live, role: str) -> int | None:
    """Return how far the group of a role has committed the first source partition."""
    group = f"{pipeline.settings.kafka.group}.{role}"
    consumer = KafkaConsumer(bootstrap_servers=pipeline.bootstrap, group_id=group)
    try:
        place = TopicPartition(pipeline.source_topic, 0)
        found: int | None = consumer.committed(place)
        return found
    finally:
        consumer.close()


def probe(port: int, path: str) -> dict[str, Any]:
    """Return the answer of a probe, with its status code; nothing while nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return {"code": answer.status, **json.load(answer)}
    except urllib.error.HTTPError as refusal:
        with refusal:
            return {"code": refusal.code, **json.load(refusal)}
    except OSError:
        return {}


def accepts(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=1.0):
            return True
    except OSError:
        return False


@pytest.fixture
def pipeline(services: Endpoints, topic_prefix: str, tmp_path: Path) -> Iterator[Live]:
    assert services.kafka is not None
    assert services.clickhouse is not None
    login, bootstrap = services.clickhouse.environment(), services.kafka.bootstrap
    with live(tmp_path, bootstrap, topic_prefix, SETTINGS, login) as pipeline:
        pipeline.command("topics", "create", "--partitions", "1")
        yield pipeline


def start_all(pipeline: Live, **environment: str) -> Worker:
    """Start ``worker all``, its output in a file."""
    log = pipeline.settings_path.with_name("all.log")
    command = [sys.executable, "-m", "tidecast.tools.main", "-v"]
    command += ["--settings", str(pipeline.settings_path), "worker", "all", "--slot", "0"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=os.environ | environment
        )
    pipeline.workers["all"] = Worker("all", process, log)
    return pipeline.workers["all"]


def children(pid: int) -> list[int]:
    """Return the ids of the processes that a process has started."""
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return [int(word) for word in found.stdout.split()]


def test_sigterm_folds_no_record_in_vain(pipeline: Live) -> None:
    ingest = pipeline.start("ingest")
    pipeline.send(pipeline.source_topic, clicks(200))
    pipeline.wait_for(pipeline.topics.cuts, 5)
    assert ingest.stop() == 0
    assert committed(pipeline, "ingest") == 200


def test_a_second_signal_ends_a_worker_at_once(pipeline: Live) -> None:
    ingest = pipeline.start("ingest")
    wait_until(lambda: "assigned" in ingest.log.read_text(), "its partition", ingest.check)
    ingest.process.terminate()
    wait_until(lambda: "Signal received" in ingest.log.read_text(), "its word")
    ingest.process.terminate()
    assert ingest.process.wait(60) == 128 + signal.SIGTERM


def test_workers_stop_in_time_while_the_broker_is_away(
    services: Endpoints, topic_prefix: str, tmp_path: Path
) -> None:
    assert services.clickhouse is not None
    (tmp_path / "kafka").mkdir()
    launch = prepare_kafka(tmp_path / "kafka")
    assert isinstance(launch.endpoint, KafkaEndpoint)
    broker = OwnProcess.start(launch)
    login = services.clickhouse.environment()
    login |= launch.endpoint.environment()
    try:
        bootstrap = launch.endpoint.bootstrap
        wait_until(lambda: accepts(bootstrap), "the broker")
        with live(tmp_path, bootstrap, topic_prefix, SETTINGS, login) as pipeline:
            pipeline.command("topics", "create", "--partitions", "1")
            roles = ("ingest", "forecast", "sink")
            workers = [pipeline.start(role) for role in roles]
            pipeline.send(pipeline.source_topic, clicks(200))
            pipeline.wait_for(pipeline.topics.windows, 5)
            os.kill(broker.pid, signal.SIGSTOP)
            time.sleep(2.0)
            for worker in workers:
                worker.process.terminate()
            assert [worker.process.wait(60) for worker in workers] == [0, 0, 0]
    finally:
        os.kill(broker.pid, signal.SIGCONT)
        broker.stop()


def test_worker_all_starts_again_who_dies_and_stops_on_a_signal(pipeline: Live) -> None:
    ports = free_ports(8)
    port = next(p for p in ports if not {p + 1, p + 2} & set(ports))
    crew = start_all(pipeline, TIDECAST_METRICS__PORT=str(port))
    ready = [port, port + 1, port + 2]
    for each in ready:
        wait_until(lambda p=each: probe(p, "/readyz").get("code") == 200, "ready", crew.check)  # type: ignore[misc]
    assert [probe(p, "/healthz")["role"] for p in ready] == ["ingest", "forecast", "sink"]
    before = children(crew.process.pid)
    assert len(before) == 3
    os.kill(before[0], signal.SIGKILL)
    wait_until(lambda: len(set(children(crew.process.pid)) - set(before)) == 1, "a new one")
    wait_until(lambda: probe(port, "/readyz").get("code") == 200, "ready again", crew.check)
    pipeline.send(pipeline.source_topic, clicks(200))
    pipeline.wait_for(pipeline.topics.windows, 5)
    assert crew.stop() == 0
    assert CURSOR not in crew.log.read_bytes()


def is_running(pid: int) -> bool:
    """Tell whether a process has not ended, be it that nobody has asked for its code yet."""
    command = ["ps", "-o", "stat=", "-p", str(pid)]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return bool(found) and not found.startswith("Z")


def test_workers_leave_nothing_running_when_worker_all_is_killed(pipeline: Live) -> None:
    crew = start_all(pipeline)
    wait_until(lambda: crew.log.read_text().count("assigned: {") >= 3, "partitions", crew.check)
    workers = children(crew.process.pid)
    assert len(workers) == 3
    crew.kill()
    del pipeline.workers["all"]
    wait_until(lambda: not any(is_running(pid) for pid in workers), "their end")
    assert crew.log.read_text().count("`worker all` is gone") == 3


def test_worker_all_ends_when_a_worker_needs_a_person(pipeline: Live) -> None:
    ingest = pipeline.start("ingest")
    pipeline.send(pipeline.source_topic, clicks(200))
    pipeline.wait_for(pipeline.topics.cuts, 5)
    assert ingest.stop() == 0
    del pipeline.workers[ingest.name]
    path = pipeline.settings_path
    path.write_text(path.read_text().replace("horizon = 3", "horizon = 4"))
    crew = start_all(pipeline)
    code = crew.process.wait(120)
    del pipeline.workers["all"]
    assert code in (5, 6)
    assert "under other settings" in crew.log.read_text()


def test_probes_tell_a_worker_that_waits_from_one_that_has_caught_up(pipeline: Live) -> None:
    (port,) = free_ports(1)
    os.environ["TIDECAST_METRICS__PORT"] = str(port)
    os.environ["TIDECAST_CLICKHOUSE__PORT"] = "1"  # nobody is there
    sink = pipeline.start("sink")
    wait_until(
        lambda: "ClickHouse" in (probe(port, "/readyz").get("reason") or ""), "why", sink.check
    )
    assert probe(port, "/readyz")["code"] == 503
    assert probe(port, "/healthz")["code"] == 200
    assert sink.stop() == 0
