"""What the probes of a worker answer, and on which paths."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import ThreadingHTTPServer

import pytest
from faust.types import TP

from tidecast.state.errors import ServiceError
from tidecast.state.settings import MetricsSettings
from tidecast.streams import health as module
from tidecast.streams.health import SMALL_LAG, Health
from tidecast.streams.probes import serve_probes
from tidecast.tools.services.ports import free_ports

ONE, TWO = TP("cuts", 0), TP("cuts", 1)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands still until a test moves it."""
    now = [1_000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_a_worker_is_alive_before_it_is_ready() -> None:
    health = Health("ingest")
    assert health.alive().reason is None
    assert health.ready().reason == "not assigned"


def test_a_worker_that_lags_is_not_ready(clock: list[float]) -> None:
    health = Health("forecast")
    health.assigned({ONE: SMALL_LAG, TWO: 1})
    assert health.ready().reason == f"catching up: lag {SMALL_LAG + 1}"
    assert health.alive().reason is None
    health.assigned({ONE: SMALL_LAG, TWO: 0})
    assert health.ready().reason is None
    assert health.ready().lag == SMALL_LAG


def test_a_lag_of_a_few_seconds_work_is_small() -> None:
    health = Health("ingest")
    health.assigned({ONE: 50_000})
    health.tick(None, 10_000.0)
    assert health.ready().reason is None
    health.tick(None, 1_000.0)
    assert health.ready().reason == "catching up: lag 50000"


def test_a_lag_that_is_not_known_is_no_readiness() -> None:
    health = Health("ingest")
    health.assigned({ONE: 0, TWO: None})
    assert health.ready().reason == "catching up: lag not known yet"
    assert health.ready().lag is None


def test_a_worker_that_nothing_is_left_for_is_ready() -> None:
    health = Health("ingest")
    health.assigned({})
    assert health.ready().reason is None


def test_a_worker_that_waits_is_alive_but_not_ready() -> None:
    health = Health("sink")
    health.assigned({ONE: 0})
    health.tick("ClickHouse cannot be reached", 0.0)
    assert health.ready().reason == "waiting: ClickHouse cannot be reached"
    assert health.alive().reason is None


def test_a_loop_that_hangs_is_not_alive(clock: list[float]) -> None:
    health = Health("ingest")
    health.tick(None, 0.0)
    clock[0] += 11.0
    assert health.alive().reason == "no sign of life for 11 s"
    health.tick(None, 0.0)
    assert health.alive().reason is None


def test_a_worker_that_failed_is_not_alive() -> None:
    health = Health("ingest")
    health.fail("the checkpoint is of other settings")
    assert health.alive().reason == "the checkpoint is of other settings"


@pytest.fixture
def served() -> Iterator[tuple[Health, int]]:
    (port,) = free_ports(1)
    health = Health("sink")
    server = serve_probes(MetricsSettings(port=port), health)
    assert isinstance(server, ThreadingHTTPServer)
    yield health, port
    server.shutdown()
    server.server_close()


def asked(port: int, path: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read()


def test_the_probes_answer_with_a_code_and_the_reason(served: tuple[Health, int]) -> None:
    health, port = served
    code, body = asked(port, "/readyz")
    assert code == 503
    assert json.loads(body) == {
        "status": "failing",
        "role": "sink",
        "reason": "not assigned",
        "lag": None,
    }
    health.assigned({ONE: 3})
    code, body = asked(port, "/readyz?verbose")
    assert code == 200
    assert json.loads(body) == {"status": "ok", "role": "sink", "reason": None, "lag": 3}
    assert asked(port, "/healthz")[0] == 200
    health.fail("gone wrong")
    assert asked(port, "/healthz")[0] == 503
    assert asked(port, "/else")[0] == 404


def test_metrics_carry_their_units(served: tuple[Health, int]) -> None:
    code, body = asked(served[1], "/metrics")
    assert code == 200
    for name in (b"tidecast_store_waiting_seconds_total", b"tidecast_step_seconds_bucket"):
        assert name in body


def test_port_0_shows_nothing() -> None:
    assert serve_probes(MetricsSettings(port=0), Health("sink")) is None


def test_a_port_that_is_taken_is_told_with_the_way_out(served: tuple[Health, int]) -> None:
    with pytest.raises(ServiceError, match="port of its own"):
        serve_probes(MetricsSettings(port=served[1]), Health("sink"))
