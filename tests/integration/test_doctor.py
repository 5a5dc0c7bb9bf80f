"""The doctor on real servers: healthy, missing, refused, misconfigured."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from certificates import Certificates
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import ConfigResource
from secured import CANARY, GUEST, SecuredKafka

from tidecast.state.settings import load_settings
from tidecast.streams.shelf import Checkpoint, to_records
from tidecast.tools.main import run
from tidecast.tools.services import Endpoints

pytestmark = pytest.mark.services


@pytest.fixture
def settings_path(tmp_path: Path, topic_prefix: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("TIDECAST_KAFKA__BOOTSTRAP", "TIDECAST_CLICKHOUSE__HOST"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "tidecast.toml"
    path.write_text(
        f"""
        [[sources]]
        name = "clicks"
        topic = "{topic_prefix}clicks"
        stream = "click"
        [[series]]
        name = "traffic"
        stream = "click"
        aggregate = "count"
        [kafka]
        topic_prefix = "{topic_prefix}out"
        group = "{topic_prefix}group"
        [clickhouse]
        database = "{topic_prefix.replace("-", "_")}"
        """
    )
    return path


class Doctor:
    """Runs the command under the variables that a test sets."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str], prefix: str) -> None:
        self._path = path
        self._capsys = capsys
        self._prefix = prefix

    def command(self, *arguments: str) -> int:
        return run(["--settings", str(self._path), *arguments])

    def says(self) -> tuple[int, dict[str, dict[str, Any]]]:
        """Return the exit code, and the findings by subject without the test's prefix."""
        self._capsys.readouterr()
        code = self.command("doctor", "--json")
        text = self._capsys.readouterr().out
        assert CANARY not in text
        found = [json.loads(row) for row in text.splitlines()]
        return code, {each["subject"].replace(self._prefix, ""): each for each in found}


@pytest.fixture
def doctor(settings_path: Path, capsys: pytest.CaptureFixture[str], topic_prefix: str) -> Doctor:
    return Doctor(settings_path, capsys, topic_prefix)


@pytest.fixture
def named(services: Endpoints, monkeypatch: pytest.MonkeyPatch, settings_path: Path) -> str:
    """Name the real servers to the commands; return the broker."""
    for name, value in services.environment().items():
        monkeypatch.setenv(name, value)
    assert services.kafka is not None
    return services.kafka.bootstrap


def test_what_is_there_and_whole_needs_nothing(doctor: Doctor, named: str) -> None:
    assert doctor.command("topics", "create", "--partitions", "2") == 0
    code, found = doctor.says()
    assert code == 0
    assert not [each for each in found.values() if each["level"] == "fail"]
    for subject in ("settings", "broker", "topic clicks", "topic out.checkpoints", "clickhouse"):
        assert found[subject]["level"] == "ok", found[subject]
    assert found["group group.ingest"]["remedy"] == "`tidecast worker ingest`"
    assert "forecast/0, ingest/clicks/0, ingest/clicks/1" in found["checkpoints"]["found"]


def test_missing_topics_fail_with_the_command_that_makes_them(doctor: Doctor, named: str) -> None:
    code, found = doctor.says()
    assert code == 4
    assert found["topic out.cuts"]["remedy"] == "`tidecast topics create`"
    assert found["clickhouse"]["level"] == "ok"


def test_a_dead_broker_and_a_dead_store_are_a_line_each(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDECAST_KAFKA__BOOTSTRAP", "127.0.0.1:1")
    monkeypatch.setenv("TIDECAST_CLICKHOUSE__PORT", "1")
    code, found = doctor.says()
    assert code == 4
    assert (found["broker"]["level"], found["clickhouse"]["level"]) == ("fail", "fail")
    assert "tidecast services up" in found["broker"]["remedy"]
    assert "[clickhouse] host and port" in found["clickhouse"]["remedy"]


def test_a_wrong_password_of_the_store_is_named_and_the_rest_is_looked_at(
    doctor: Doctor, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDECAST_CLICKHOUSE__PASSWORD", CANARY)
    code, found = doctor.says()
    assert code == 4
    assert "TIDECAST_CLICKHOUSE__PASSWORD" in found["clickhouse"]["remedy"]
    assert found["broker"]["level"] == "ok"


def test_compaction_and_too_few_copies_are_seen_on_the_broker(
    doctor: Doctor, named: str, topic_prefix: str
) -> None:
    doctor.command("topics", "create", "--partitions", "1")
    admin = KafkaAdminClient(bootstrap_servers=named)
    changes = {"clicks": {"min.insync.replicas": "2"}, "out.cuts": {"cleanup.policy": "compact"}}
    admin.alter_configs(
        [ConfigResource("topic", f"{topic_prefix}{n}", configs=c) for n, c in changes.items()]
    )
    admin.close()
    code, found = doctor.says()
    assert code == 4
    assert "takes no writes" in found["topic clicks"]["found"]
    assert "cleanup.policy=delete" in found["topic out.cuts"]["remedy"]


def test_checkpoints_progress_and_clocks_are_read_from_the_topics(
    doctor: Doctor, named: str, settings_path: Path, topic_prefix: str
) -> None:
    doctor.command("topics", "create", "--partitions", "1")
    ours = load_settings(settings_path, {}).fingerprint()
    long_ago = int(time.time() * 1000) - 3_600_000
    progress = {"schema_version": 1, "shard": 0, "next_bin": 7, "position": 0}
    progress["time"] = "2026-01-31T12:00:00Z"
    producer = KafkaProducer(bootstrap_servers=named)
    for owner, partition, settings in (("forecast/0", 0, ours), ("ingest/clicks/0", 1, "other")):
        for key, value in to_records(owner, settings, Checkpoint(5, b"state")):
            producer.send(f"{topic_prefix}out.checkpoints", value, key, partition=partition)
    producer.send(f"{topic_prefix}out.cuts", b"{}")
    producer.send(f"{topic_prefix}out.progress", orjson.dumps(progress), timestamp_ms=long_ago)
    producer.send(f"{topic_prefix}clicks", b"{}", timestamp_ms=long_ago + 90_000_000)
    producer.close()
    code, found = doctor.says()
    assert code == 4
    assert "1 owner(s)" in found["checkpoints"]["found"]
    assert "made under other settings (other" in found["checkpoint of ingest/clicks/0"]["found"]
    assert found["progress"]["level"] == "warn"
    assert "2026-01-31 12:00:00" in found["progress"]["found"]
    assert "1 cuts since" in found["progress"]["found"]
    assert "24.0 h ahead" in found["clock of clicks"]["found"]
    assert "1 records behind" in found["group group.ingest"]["found"]


def test_a_user_without_rights_is_given_the_command_that_grants_them(
    doctor: Doctor,
    monkeypatch: pytest.MonkeyPatch,
    guarded_kafka: SecuredKafka,
    certificates: Certificates,
) -> None:
    monkeypatch.setenv("TIDECAST_CLICKHOUSE__PORT", "1")
    monkeypatch.setenv("TIDECAST_KAFKA__BOOTSTRAP", guarded_kafka.plain)
    doctor.command("topics", "create")
    monkeypatch.setenv("TIDECAST_KAFKA__BOOTSTRAP", guarded_kafka.secured)
    monkeypatch.setenv("TIDECAST_KAFKA__TLS__CA", str(certificates.authority))
    monkeypatch.setenv("TIDECAST_KAFKA__SASL__USER", GUEST)
    monkeypatch.setenv("TIDECAST_KAFKA__SASL__PASSWORD", f"{CANARY}-bob")
    code, found = doctor.says()
    assert code == 4
    assert "--allow-principal User:bob --operation Describe" in found["topic out.cuts"]["remedy"]
    monkeypatch.setenv("TIDECAST_KAFKA__SASL__PASSWORD", CANARY)
    code, found = doctor.says()
    assert "password" in found["broker"]["found"] + found["broker"]["remedy"]
