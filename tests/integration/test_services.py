"""The real broker and the real server, and what a session without them says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import clickhouse_driver
import pytest
from click.testing import CliRunner, Result
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import NewTopic
from kafka.errors import UnknownTopicOrPartitionError

from tidecast.state.errors import ServiceError
from tidecast.tools.services import ClickHouseEndpoint, Endpoints, running_services, status, up
from tidecast.tools.services.command import services as command
from tidecast.tools.services.ledger import Ledger

LARGE = bytes(20 * 2**20)


@pytest.fixture
def own_folder(
    clickhouse_server: ClickHouseEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A folder to start a server of one's own from, where the session could start one."""
    if "TIDECAST_CLICKHOUSE__HOST" in os.environ:
        pytest.skip("the server is given from outside, so there may be no way to start one")
    monkeypatch.setenv("TIDECAST_SERVICES_DIR", str(tmp_path / "é & <own>"))
    return tmp_path / "é & <own>"


def called(*words: str) -> Result:
    return CliRunner().invoke(command, words, catch_exceptions=False)


def rows(server: ClickHouseEndpoint, sql: str) -> list[tuple[object, ...]]:
    with clickhouse_driver.Client(
        server.host, port=server.port, user=server.user, password=server.password
    ) as client:
        found: list[tuple[object, ...]] = client.execute(sql)
        return found


def test_a_record_of_20_mib_passes_through_the_broker(
    kafka_bootstrap: str, topic_prefix: str
) -> None:
    topic = f"{topic_prefix}large"
    admin = KafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    admin.close()
    producer = KafkaProducer(bootstrap_servers=kafka_bootstrap, max_request_size=2**25)
    producer.send(topic, LARGE).get(timeout=30)
    producer.close()
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=kafka_bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=30_000,
    )
    received = next(consumer).value
    consumer.close()
    assert received == LARGE


def test_a_misspelt_topic_is_not_made_by_asking_for_it(
    kafka_bootstrap: str, topic_prefix: str
) -> None:
    admin = KafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    (found,) = admin.describe_topics([f"{topic_prefix}misspelt"])
    known = admin.list_topics()
    admin.close()
    assert found["error_code"] == UnknownTopicOrPartitionError.errno
    assert f"{topic_prefix}misspelt" not in known


def test_the_server_keeps_utc_and_refuses_a_wrong_password(
    clickhouse_server: ClickHouseEndpoint,
) -> None:
    assert rows(clickhouse_server, "SELECT toString(toDateTime(86400))") == [
        ("1970-01-02 00:00:00",)
    ]
    with pytest.raises(clickhouse_driver.errors.ServerException):
        rows(clickhouse_server.model_copy(update={"password": "wrong"}), "SELECT 1")


def test_both_parts_are_there_for_who_asks_for_both(services: Endpoints) -> None:
    assert set(services.environment()) == {
        "TIDECAST_KAFKA__BOOTSTRAP",
        "TIDECAST_CLICKHOUSE__HOST",
        "TIDECAST_CLICKHOUSE__PORT",
        "TIDECAST_CLICKHOUSE__USER",
        "TIDECAST_CLICKHOUSE__PASSWORD",
    }


def test_up_twice_is_one_server_and_down_leaves_nothing(own_folder: Path) -> None:
    first = called("up", "clickhouse")
    second = called("up", "clickhouse")
    assert first.exit_code == 0
    assert first.stdout == second.stdout
    assert called("status").exit_code == 0
    process = Ledger.read(own_folder).parts["clickhouse"].process
    assert called("down").stdout == "stopped clickhouse\n"
    assert process is None or not process.is_alive()
    assert [path.name for path in own_folder.iterdir()] == ["lock"]


def test_a_server_that_died_is_started_anew(own_folder: Path) -> None:
    with running_services(("clickhouse",)) as before:
        started = Ledger.read(own_folder).parts["clickhouse"]
        if started.process is None:
            pytest.skip("the server runs in a container")
        started.process.stop()
        (found,) = status()
        assert found.problem is not None
        assert called("up", "clickhouse").exit_code == 0
        (found,) = status()
        assert found.problem is None
        assert found.endpoint != before.clickhouse
    assert status() == []


def test_what_was_started_is_stopped_when_the_block_fails(own_folder: Path) -> None:
    with pytest.raises(ZeroDivisionError), running_services(("clickhouse",)):
        started = Ledger.read(own_folder).parts["clickhouse"]
        raise ZeroDivisionError
    assert started.process is None or not started.process.is_alive()


def test_a_server_that_ends_at_its_start_is_told_by_its_last_words(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "bin" / "clickhouse-server"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho Illegal instruction\nexit 4\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(broken.parent))
    with pytest.raises(ServiceError, match="clickhouse ended at its start: Illegal instruction"):
        up(("clickhouse",))
    assert status() == []


def session_without_services(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a test that needs the broker where no program can be found to start one."""
    shutil.copy(Path(__file__).parents[1] / "conftest.py", folder / "conftest.py")
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    services: real ones\n")
    (folder / "test_it.py").write_text("def test_it(kafka_bootstrap): pass\n")
    kept = {name: value for name, value in os.environ.items() if "TIDECAST_" not in name}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(folder)],
        env={**kept, "PATH": str(folder), **variables},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_session_without_services_skips_and_ends_saying_what_and_how(tmp_path: Path) -> None:
    session = session_without_services(tmp_path)
    assert session.returncode == 0
    closing = session.stdout.splitlines()[-7:]
    assert "NOT TESTED AGAINST REAL SERVICES" in closing[0]
    assert closing[1] == "skipped: test_it.py::test_it"
    assert "install Docker" in closing[3]
    assert "install Java" in closing[4]
    assert "tidecast services up" in closing[5]
    assert "1 skipped" in closing[6]


def test_a_session_that_requires_services_fails_without_them(tmp_path: Path) -> None:
    session = session_without_services(tmp_path, TIDECAST_REQUIRE_SERVICES="1")
    assert session.returncode == 1
    assert "install Java" in session.stdout
    assert "1 error" in session.stdout


def test_the_services_marker_picks_the_tests_that_need_them(tmp_path: Path) -> None:
    session_without_services(tmp_path)
    picked = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "not services"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 deselected" in picked.stdout
