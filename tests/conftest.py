"""Real services for the tests that ask for them."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from tidecast.state.errors import ServiceError
from tidecast.tools.services import (
    ClickHouseEndpoint,
    Endpoints,
    KafkaEndpoint,
    Part,
    down,
    up,
)

# Tests prove behaviour, never speed; and a red run on a build server must be repeatable.
hypothesis_settings.register_profile(
    "tidecast",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
hypothesis_settings.load_profile("tidecast")

_SERVICE_FIXTURES = frozenset({"services", "kafka_bootstrap", "clickhouse_server"})
_NEEDS = "needs a real"
_MISSING = pytest.StashKey[dict[str, str]]()


class _Stack:
    """The services of one test session: each part started when a test first asks for it."""

    def __init__(self, folder: Path, missing: dict[str, str]) -> None:
        self._folder = folder
        self._missing = missing

    def kafka(self) -> KafkaEndpoint:
        endpoint = self._up("kafka").kafka
        assert endpoint is not None
        return endpoint

    def clickhouse(self) -> ClickHouseEndpoint:
        endpoint = self._up("clickhouse").clickhouse
        assert endpoint is not None
        return endpoint

    def _up(self, part: Part) -> Endpoints:
        if part not in self._missing:
            try:
                return up((part,), folder=self._folder)
            except ServiceError as problem:
                self._missing[part] = str(problem)
        if os.environ.get("TIDECAST_REQUIRE_SERVICES") == "1":
            pytest.fail(self._missing[part], pytrace=False)
        pytest.skip(f"{_NEEDS} {part}")


@pytest.fixture(scope="session")
def _stack(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[_Stack]:
    folder = tmp_path_factory.mktemp("services")
    try:
        yield _Stack(folder, pytestconfig.stash[_MISSING])
    finally:
        down(folder)


@pytest.fixture(scope="session")
def kafka_bootstrap(_stack: _Stack) -> str:
    """A real broker, `host:port`."""
    return _stack.kafka().bootstrap


@pytest.fixture(scope="session")
def clickhouse_server(_stack: _Stack) -> ClickHouseEndpoint:
    """A real ClickHouse server: host, port, user, password."""
    return _stack.clickhouse()


@pytest.fixture(scope="session")
def services(_stack: _Stack) -> Endpoints:
    """Both real services."""
    return Endpoints(kafka=_stack.kafka(), clickhouse=_stack.clickhouse())


@pytest.fixture
def topic_prefix() -> str:
    """A start of topic and group names that no other test uses."""
    return f"t{uuid.uuid4().hex[:12]}-"


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_MISSING] = {}
    # So that `timeout` or a CI runner that ends the session leaves no server behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _SERVICE_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.services)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Iterator[None]:
    """Say in the closing lines which tests had no service, and how to get it."""
    yield
    missing = config.stash[_MISSING]
    skipped = [report for report in terminalreporter.stats.get("skipped", []) if _lacked(report)]
    if not skipped:
        return
    terminalreporter.section("NOT TESTED AGAINST REAL SERVICES", sep="!", red=True, bold=True)
    for report in skipped:
        terminalreporter.write_line(f"skipped: {report.nodeid}")
    for problem in missing.values():
        terminalreporter.write_line(problem)
    terminalreporter.write_line(
        'Get them with: eval "$(tidecast services up)"  (docs/services.md);'
        " TIDECAST_REQUIRE_SERVICES=1 makes this a failure."
    )


def _lacked(report: pytest.TestReport | pytest.CollectReport) -> bool:
    if isinstance(report, pytest.CollectReport):  # a module skipped for want of an extra
        return False
    return "services" in report.keywords and f"Skipped: {_NEEDS}" in str(report.longrepr)
