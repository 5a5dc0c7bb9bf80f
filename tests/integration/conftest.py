"""Servers that ask for TLS and log-ins, started when a test first asks for them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

import pytest
from certificates import Certificates, make_certificates
from secured import SecuredClickHouse, SecuredKafka, secured_clickhouse, secured_kafka

from tidecast.state.errors import ServiceError

Server = TypeVar("Server")


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates that nobody else trusts."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def guarded_kafka(
    certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SecuredKafka]:
    """A real broker with TLS, log-ins and rights."""
    yield from _served(secured_kafka, tmp_path_factory.mktemp("kafka"), certificates)


@pytest.fixture(scope="session")
def guarded_clickhouse(
    certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SecuredClickHouse]:
    """A real ClickHouse server that also speaks TLS."""
    yield from _served(secured_clickhouse, tmp_path_factory.mktemp("clickhouse"), certificates)


def _served(
    serve: Callable[[Path, Certificates], AbstractContextManager[Server]],
    folder: Path,
    certificates: Certificates,
) -> Iterator[Server]:
    running = serve(folder, certificates)
    try:
        server = running.__enter__()
    except ServiceError as problem:
        if os.environ.get("TIDECAST_REQUIRE_SERVICES") == "1":
            pytest.fail(str(problem), pytrace=False)
        pytest.skip(f"needs a real server: {problem}")
    try:
        yield server
    finally:
        running.__exit__(None, None, None)
