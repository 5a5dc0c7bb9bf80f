"""TLS, log-ins and secrets, on a real broker and a real server with certificates of our own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from certificates import Certificates
from click_settings import click_settings
from live import Live, Worker, live
from secured import CANARY, GUEST, USER, SecuredClickHouse, SecuredKafka

from tidecast.tools.services.ports import free_ports

pytestmark = pytest.mark.services

SETTINGS = click_settings(width="1m", horizon=3)
Environment = Mapping[str, str]


def log_in(mechanism: str = "SCRAM-SHA-512", password: str = CANARY) -> dict[str, str]:
    return {
        "TIDECAST_KAFKA__SASL__MECHANISM": mechanism,
        "TIDECAST_KAFKA__SASL__USER": USER,
        "TIDECAST_KAFKA__SASL__PASSWORD": password,
    }


def trust(authority: Path) -> dict[str, str]:
    return {"TIDECAST_KAFKA__TLS__CA": str(authority)}


def at(address: str) -> dict[str, str]:
    return {"TIDECAST_KAFKA__BOOTSTRAP": address}


@pytest.fixture
def settings_path(tmp_path: Path, topic_prefix: str) -> Path:
    path = tmp_path / "tidecast.toml"
    text = SETTINGS.replace("{prefix}", topic_prefix)
    path.write_text(f'{text}[kafka]\ntopic_prefix = "{topic_prefix}out"\n')
    return path


def tidecast(
    settings: Path, environment: Environment, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run a command as loudly as it can be, in a process of its own."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith("TIDECAST_")}
    return subprocess.run(
        [sys.executable, "-m", "tidecast.tools.main", "--settings", str(settings), *arguments],
        env={**ours, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line a failed command says; it ended with 4 and kept the password."""
    assert done.returncode == 4, done.stdout + done.stderr
    assert CANARY not in done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    return line


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"])
def test_every_mechanism_logs_in_by_tls(
    mechanism: str, settings_path: Path, guarded_kafka: SecuredKafka, certificates: Certificates
) -> None:
    environment = {
        **at(guarded_kafka.secured),
        **trust(certificates.authority),
        **log_in(mechanism),
    }
    done = tidecast(settings_path, environment, "topics", "create")
    assert done.returncode == 0, done.stderr
    assert "created" in done.stdout


def test_a_client_certificate_is_a_log_in(
    settings_path: Path, guarded_kafka: SecuredKafka, certificates: Certificates
) -> None:
    environment = {
        **at(guarded_kafka.mutual),
        **trust(certificates.authority),
        "TIDECAST_KAFKA__TLS__CERTIFICATE": str(certificates.client.certificate),
        "TIDECAST_KAFKA__TLS__KEY": str(certificates.client.key),
    }
    assert tidecast(settings_path, environment, "topics", "create").returncode == 0


def wrongly(kafka: SecuredKafka, certificates: Certificates) -> dict[str, tuple[Environment, str]]:
    """Return what a user may have wrong, and words of the sentence that mends it."""
    ours, right = trust(certificates.authority), log_in()
    mistaken = log_in(password=f"{CANARY}-mistyped")
    return {
        "password": ({**at(kafka.secured), **ours, **mistaken}, "check the user (ann), password"),
        "password, PLAIN": (
            {**at(kafka.login), **log_in("PLAIN", f"{CANARY}-mistyped")},
            "check the user (ann), password and mechanism (PLAIN)",
        ),
        "authority": (
            {**at(kafka.secured), **trust(certificates.other_authority), **right},
            "signed by nobody we trust",
        ),
        "host name": ({**at(kafka.stranger), **ours}, "set kafka.tls.verify_host = false"),
        "TLS at a plain port": ({**at(kafka.login), **ours, **right}, "it speaks no TLS there"),
        "no TLS at a TLS port": ({**at(kafka.secured), **right}, "add [kafka.tls] with its ca"),
        "no log-in": (at(kafka.login), "set kafka.sasl"),
        "a log-in where none is": ({**at(kafka.plain), **right}, "it takes no log-ins there"),
        "no certificate of ours": ({**at(kafka.mutual), **ours}, "set kafka.tls.certificate"),
        "no authority file": ({**at(kafka.secured), **trust(Path("/nowhere.pem"))}, "/nowhere.pem"),
    }


MISTAKES = list(wrongly(SecuredKafka(*[""] * 5), Certificates(*[Path()] * 2, *[None] * 3)))  # type: ignore[arg-type]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_refusal_is_one_sentence_with_the_setting_to_mend(
    mistake: str, settings_path: Path, guarded_kafka: SecuredKafka, certificates: Certificates
) -> None:
    environment, remedy = wrongly(guarded_kafka, certificates)[mistake]
    for command in (("topics", "list"), ("worker", "ingest")):
        assert remedy in sentence(tidecast(settings_path, environment, *command))


def store(
    clickhouse: SecuredClickHouse, authority: Path, password: str | None = None
) -> dict[str, str]:
    found = clickhouse.secured.environment()
    found |= {"TIDECAST_CLICKHOUSE__TLS__CA": str(authority)}
    return found | ({} if password is None else {"TIDECAST_CLICKHOUSE__PASSWORD": password})


def test_clickhouse_refusals_are_one_sentence_with_the_setting_to_mend(
    settings_path: Path, guarded_clickhouse: SecuredClickHouse, certificates: Certificates
) -> None:
    right = store(guarded_clickhouse, certificates.authority)
    plain = str(guarded_clickhouse.plain.port)
    mistakes = {
        "signed by nobody we trust": store(guarded_clickhouse, certificates.other_authority),
        "refuses user": store(guarded_clickhouse, certificates.authority, CANARY),
        "it speaks no TLS there": {**right, "TIDECAST_CLICKHOUSE__PORT": plain},
        "9440 with TLS": guarded_clickhouse.secured.environment(),
        "which is no file": {**right, "TIDECAST_CLICKHOUSE__TLS__CA": "/nowhere.pem"},
    }
    for remedy, environment in mistakes.items():
        done = tidecast(settings_path, environment, "query", "SELECT 1")
        assert remedy in sentence(done)
        assert environment["TIDECAST_CLICKHOUSE__PASSWORD"] not in done.stderr


@pytest.fixture
def guarded(
    guarded_kafka: SecuredKafka,
    guarded_clickhouse: SecuredClickHouse,
    certificates: Certificates,
    topic_prefix: str,
    tmp_path: Path,
) -> Iterator[Live]:
    """A pipeline that speaks TLS and logs in wherever it goes; its watchers need not."""
    (port,) = free_ports(1)
    environment = {
        **at(guarded_kafka.secured),
        **trust(certificates.authority),
        **log_in(),
        **store(guarded_clickhouse, certificates.authority),
        "TIDECAST_METRICS__PORT": str(port),
        "TIDECAST_CHECKPOINTS__KEY": f"{CANARY}-signs-checkpoints",
        "TIDECAST_CHECKPOINTS__FORMER_KEY": f"{CANARY}-signed-them",
    }
    with live(tmp_path, guarded_kafka.plain, topic_prefix, SETTINGS, environment) as pipeline:
        yield pipeline


def test_the_whole_pipeline_runs_by_tls_and_tells_no_password(
    guarded: Live, tmp_path: Path, guarded_clickhouse: SecuredClickHouse
) -> None:
    log = tmp_path / "clicks.ndjson"
    log.write_text("".join(f"{json.dumps(click(minute))}\n" for minute in range(12)))
    said = [loud(guarded, "topics", "create", "--partitions", "1")]
    said.append(loud(guarded, "feed", str(log), "--end"))
    workers = [start_loudly(guarded, role) for role in ("ingest", "forecast", "sink")]
    guarded.wait_for(guarded.topics.predictions, 10)
    guarded.wait_for(guarded.topics.checkpoints, 2)
    guarded.wait(lambda: stored_origins(guarded) >= 10, "predictions in the store")
    said.append(scraped(guarded))
    said += [Path(f"/proc/{w.process.pid}/cmdline").read_text() for w in workers]
    assert [worker.stop() for worker in workers] == [0, 0, 0]
    guarded.workers.clear()
    restarted = start_loudly(guarded, "ingest")  # reads its checkpoint by TLS
    guarded.wait(lambda: "assigned" in restarted.log.read_text(), "the second start")
    restarted.stop()
    said += [path.read_text(errors="replace") for path in tmp_path.glob("*.log")]
    said.append(loud(guarded, "tail", "--from-beginning", "--limit", "3"))
    for secret in (CANARY, guarded_clickhouse.secured.password):
        assert not [text[:200] for text in said if secret in text]


def click(minute: int) -> dict[str, Any]:
    return {
        "event_time": f"2026-01-31T12:{minute:02}:00Z",
        "region": "north",
        "category": "books",
        "kind": "view",
        "value": 1,
    }


def loud(pipeline: Live, *arguments: str) -> str:
    """Run a command at -vv; return all that it said."""
    done = tidecast(pipeline.settings_path, ours(), "-vv", *arguments)
    assert done.returncode == 0, done.stderr[-3_000:]
    return done.stdout + done.stderr


def ours() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key.startswith("TIDECAST_")}


def start_loudly(pipeline: Live, role: str) -> Worker:
    log = pipeline.settings_path.with_name(f"{role}-{time.monotonic_ns()}.log")
    metrics = {} if role == "ingest" else {"TIDECAST_METRICS__PORT": "0"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tidecast.tools.main", "-vv"),
                *("--settings", str(pipeline.settings_path), "worker", role, "--slot", "a"),
            ],
            env={**os.environ, **metrics},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    pipeline.workers[role] = Worker(role, process, log)
    return pipeline.workers[role]


def stored_origins(pipeline: Live) -> int:
    done = tidecast(
        pipeline.settings_path,
        ours(),
        *("query", "--format", "csv", "SELECT count(DISTINCT origin) AS n FROM predictions"),
    )
    return int(done.stdout.split()[-1]) if done.returncode == 0 else 0


def scraped(pipeline: Live) -> str:
    address = f"http://127.0.0.1:{pipeline.settings.metrics.port}/metrics"
    with urllib.request.urlopen(address, timeout=10) as answer:
        return str(answer.read().decode())


def test_a_user_without_rights_is_told_so(
    settings_path: Path, guarded_kafka: SecuredKafka, certificates: Certificates
) -> None:
    owner = {**at(guarded_kafka.secured), **trust(certificates.authority), **log_in()}
    assert tidecast(settings_path, owner, "topics", "create").returncode == 0
    guest = log_in(password=f"{CANARY}-bob") | {"TIDECAST_KAFKA__SASL__USER": GUEST}
    done = tidecast(settings_path, {**owner, **guest}, "worker", "ingest")
    assert "ACL" in sentence(done)
