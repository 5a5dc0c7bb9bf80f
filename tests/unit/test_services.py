"""The services' own arithmetic: no server is started here."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path

import pytest
from click.testing import CliRunner

from tidecast.state.errors import ServiceError
from tidecast.tools.services import ClickHouseEndpoint, Endpoints, KafkaEndpoint, down, status, up
from tidecast.tools.services.cache import cache_folder, kept
from tidecast.tools.services.command import services
from tidecast.tools.services.debian import packages_of, uninstalled
from tidecast.tools.services.docker import DockerStack
from tidecast.tools.services.kafka import cluster_id, java_version, server_properties
from tidecast.tools.services.ledger import Ledger, StartedPart
from tidecast.tools.services.process import Launch, OwnProcess
from tidecast.tools.services.shell import gist

NOWHERE = KafkaEndpoint(bootstrap="127.0.0.1:1")


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide the machine's running services and downloads from these tests."""
    for name in list(os.environ):
        if name.startswith("TIDECAST_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TIDECAST_SERVICES_DIR", str(tmp_path / "services"))


def started(tmp_path: Path, script: str) -> OwnProcess:
    argv = [sys.executable, "-c", script]
    return OwnProcess.start(Launch(argv, {}, tmp_path / "log", NOWHERE))


def said(log: Path, text: str) -> None:
    deadline = time.monotonic() + 20
    while text not in log.read_text():
        assert time.monotonic() < deadline, f"the process never said {text!r}"
        time.sleep(0.02)


def on_the_path(
    monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, script: str = "exit 0"
) -> None:
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_endpoints_of_the_environment_are_read() -> None:
    given = Endpoints.given_by(
        {
            "TIDECAST_KAFKA__BOOTSTRAP": "broker:9092",
            "TIDECAST_CLICKHOUSE__HOST": "store",
            "TIDECAST_CLICKHOUSE__PORT": "9440",
        }
    )
    assert given.kafka == KafkaEndpoint(bootstrap="broker:9092")
    assert given.clickhouse == ClickHouseEndpoint(
        host="store", port=9440, user="default", password=""
    )


def test_an_environment_without_names_gives_no_endpoint() -> None:
    assert Endpoints.given_by({}) == Endpoints(kafka=None, clickhouse=None)


@pytest.mark.parametrize("port", ["", "native", "0", "65536", "-1"])
def test_a_port_that_is_none_is_an_error_that_names_its_variable(port: str) -> None:
    variables = {"TIDECAST_CLICKHOUSE__HOST": "store", "TIDECAST_CLICKHOUSE__PORT": port}
    with pytest.raises(ServiceError, match="TIDECAST_CLICKHOUSE__PORT"):
        Endpoints.given_by(variables)


def test_endpoints_survive_the_way_through_the_environment() -> None:
    endpoints = Endpoints(
        kafka=KafkaEndpoint(bootstrap="a:1,b:2"),
        clickhouse=ClickHouseEndpoint(host="store", port=9000, user="me", password="a 'b\" $c"),
    )
    assert Endpoints.given_by(endpoints.environment()) == endpoints


def test_a_password_is_not_shown() -> None:
    endpoint = ClickHouseEndpoint(host="store", port=9000, user="me", password="open sesame")
    assert "sesame" not in f"{endpoint} {endpoint!r} {Endpoints(clickhouse=endpoint)!r}"


def test_a_process_is_alive_until_it_is_stopped(tmp_path: Path) -> None:
    process = started(tmp_path, "import time; time.sleep(60)")
    assert process.is_alive()
    process.stop()
    assert not process.is_alive()


def test_a_process_that_ended_by_itself_is_not_alive(tmp_path: Path) -> None:
    process = started(tmp_path, "print('done', flush=True)")
    said(tmp_path / "log", "done")
    deadline = time.monotonic() + 20
    while process.is_alive():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_process_deaf_to_polite_requests_is_killed(tmp_path: Path) -> None:
    process = started(
        tmp_path,
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('deaf', flush=True); time.sleep(60)",
    )
    said(tmp_path / "log", "deaf")
    process.stop(patience_s=0.2)
    assert not process.is_alive()


def test_a_stranger_with_a_recycled_id_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "services"
    folder.mkdir()
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as stranger:
        before_the_reboot = OwnProcess(pid=stranger.pid, began="another boot/1")
        entry = StartedPart(way="local", endpoint=NOWHERE, process=before_the_reboot)
        Ledger(parts={"kafka": entry}).write(folder)
        assert down(folder) == ["kafka"]
        assert stranger.poll() is None
        stranger.kill()
    assert status(folder) == []


def test_the_ledger_is_for_its_owners_eyes_and_reads_back(tmp_path: Path) -> None:
    server = ClickHouseEndpoint(host="127.0.0.1", port=9, user="me", password="secret")
    ledger = Ledger(parts={"clickhouse": StartedPart(way="docker", endpoint=server)})
    ledger.write(tmp_path)
    assert Ledger.read(tmp_path) == ledger
    assert (tmp_path / "state.json").stat().st_mode & 0o077 == 0


def test_a_damaged_ledger_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"version": 1, "parts": {"kafka"')
    with pytest.raises(ServiceError, match=r"state\.json cannot be read"):
        up(("kafka",), folder=tmp_path)


def test_a_folder_that_cannot_be_made_is_an_error_that_says_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ServiceError, match="set TIDECAST_SERVICES_DIR"):
        up(("kafka",), folder=tmp_path / "file" / "services")


def test_without_any_program_the_error_names_each_way_and_its_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServiceError) as kafka:
        up(("kafka",))
    with pytest.raises(ServiceError) as clickhouse:
        up(("clickhouse",))
    for wanted in ("TIDECAST_KAFKA__BOOTSTRAP", "install Docker", "install Java 17"):
        assert wanted in str(kafka.value)
    for wanted in ("TIDECAST_CLICKHOUSE__HOST", "install Docker", "https://clickhouse.com"):
        assert wanted in str(clickhouse.value)
    assert status() == []


def test_an_old_java_is_refused_by_its_version(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    on_the_path(monkeypatch, tmp_path / "bin", "java", "echo 'openjdk version \"11.0.2\"' >&2")
    with pytest.raises(ServiceError, match="is Java 11, too old"):
        up(("kafka",))


def test_a_missing_maven_is_named_when_the_jars_are_not_cached(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    on_the_path(monkeypatch, tmp_path / "bin", "java", "echo 'openjdk version \"17.0.2\"' >&2")
    with pytest.raises(ServiceError, match="install Maven"):
        up(("kafka",))


def test_a_failing_download_is_told_by_its_last_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    on_the_path(monkeypatch, tmp_path / "bin", "java", "echo 'openjdk version \"17.0.2\"' >&2")
    on_the_path(monkeypatch, tmp_path / "bin", "mvn", "echo Unknown host; exit 1")
    with pytest.raises(ServiceError, match=r"mvn .* failed: Unknown host"):
        up(("kafka",))
    assert [path.name for path in cache_folder().iterdir()] == ["lock"]
    assert [path.name for path in (tmp_path / "services").iterdir()] == ["lock"]


def test_a_named_broker_that_is_away_is_an_error_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TIDECAST_KAFKA__BOOTSTRAP", "not an address")
    (found,) = status()
    assert (found.part, found.way) == ("kafka", "environment")
    assert found.problem == "'not an address' is not host:port"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (
            "usage: x\n\x1b[1m[ERROR]\x1b[m No route\n[ERROR] see http://help\n\n",
            "[ERROR] No route",
        ),
        ("Reading lists\nE: No packages found\n", "E: No packages found"),
        ("one\ntwo\n\nthree\nfour\n", "two | three | four"),
        ("", "it said nothing"),
    ],
)
def test_a_programs_complaint_is_found_in_what_it_said(text: str, meant: str) -> None:
    assert gist(text) == meant


@pytest.mark.parametrize(
    ("shown", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_392"', 8),
        ('openjdk version "25" 2025-09-16', 25),
        ("something else", None),
    ],
)
def test_javas_version_is_read(shown: str, version: int | None) -> None:
    assert java_version(shown) == version


def test_no_clusters_name_looks_like_an_option() -> None:
    names = {cluster_id() for _ in range(1000)}
    assert len(names) == 1000
    assert {len(name) for name in names} == {22}
    assert not any(name.startswith("-") for name in names)


def test_a_folder_of_any_script_reaches_the_broker_in_ascii() -> None:
    properties = server_properties(Path("/home/josé"), 1, 2)
    assert "log.dirs=/home/jos\\u00e9\n" in properties
    assert properties.isascii()


def test_only_libraries_that_the_system_lacks_are_downloaded() -> None:
    shown = "clickhouse-server\n  Depends: libc6\n  Depends: <awk>\nlibc6\nadduser\nlibre2-9\n"
    packages = packages_of(shown)
    assert packages == ["clickhouse-server", "libc6", "libre2-9"]
    installed = "libc6 installed\nlibre2-9 config-files\n"
    assert uninstalled(packages, installed) == ["clickhouse-server", "libre2-9"]


def test_a_download_is_made_once_and_again_when_it_is_no_good() -> None:
    made: list[Path] = []

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "jar").write_text(str(len(made)))

    first = kept("jars", make, lambda folder: True)
    assert kept("jars", make, lambda folder: True) == first
    assert (first / "jar").read_text() == "1"
    kept("jars", make, lambda folder: False)
    assert (first / "jar").read_text() == "2"


def test_a_broken_off_download_leaves_nothing_behind() -> None:
    def make(folder: Path) -> None:
        (folder / "half").write_text("a jar, but not")
        raise ServiceError("the line went dead")

    with pytest.raises(ServiceError, match="line went dead"):
        kept("jars", make, lambda folder: True)
    assert not (cache_folder() / "jars").exists()


def test_a_docker_engine_that_does_not_answer_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    on_the_path(
        monkeypatch, tmp_path / "bin", "docker", "echo Cannot connect to the daemon; exit 1"
    )
    with pytest.raises(
        ServiceError, match=r"(?s)Docker: docker info .*Cannot connect.*locally: java"
    ):
        up(("kafka",))


def test_docker_starts_one_part_of_a_project_of_the_folder_with_lasting_ports(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    on_the_path(
        monkeypatch,
        tmp_path / "bin",
        "docker",
        f'echo "$TIDECAST_SERVICES_KAFKA_PORT $*" >> {told}',
    )
    stack = DockerStack(tmp_path)
    endpoint = stack.endpoint("kafka")
    stack.start("kafka")
    assert DockerStack(tmp_path).endpoint("kafka") == endpoint
    port, *words = told.read_text().split()
    assert str(endpoint) == f"127.0.0.1:{port}"
    assert words[:2] == ["compose", "--project-name"]
    assert words[-1] == "kafka"
    assert "up" in words


def test_a_container_that_does_not_start_is_removed_and_the_next_way_tried(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    script = f'echo "$*" >> {told}; case "$*" in *" up "*) echo no such image; exit 1;; esac'
    on_the_path(monkeypatch, tmp_path / "bin", "docker", script)
    with pytest.raises(ServiceError, match=r"(?s)no such image.*install Java"):
        up(("kafka",))
    assert told.read_text().splitlines()[-1].endswith("rm --stop --force --volumes kafka")
    assert status() == []


def test_what_docker_started_is_removed_by_docker(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    on_the_path(monkeypatch, tmp_path / "bin", "docker", f'echo "$*" >> {told}')
    DockerStack(tmp_path).endpoint("kafka")
    Ledger(parts={"kafka": StartedPart(way="docker", endpoint=NOWHERE)}).write(tmp_path)
    assert down(tmp_path) == ["kafka"]
    lines = told.read_text().splitlines()
    assert any(line.endswith("rm --stop --force --volumes kafka") for line in lines)
    assert lines[-1].endswith("down --volumes --remove-orphans")


def test_without_services_status_says_how_to_start_them_and_fails() -> None:
    result = CliRunner().invoke(services, ["status"])
    assert result.exit_code == 1
    assert "tidecast services up" in result.output


def test_down_without_services_is_harmless() -> None:
    result = CliRunner().invoke(services, ["down"])
    assert result.exit_code == 0
    assert "nothing" in result.output


def test_every_port_of_the_compose_file_is_published_on_the_loopback_only() -> None:
    compose = files("tidecast.deploy").joinpath("compose.yaml").read_text()
    published = re.findall(r'^      - "(.+:\d+)"$', compose, flags=re.MULTILINE)
    assert len(published) == 2
    assert all(port.startswith("127.0.0.1:${TIDECAST_SERVICES_") for port in published)
