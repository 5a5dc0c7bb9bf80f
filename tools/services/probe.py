"""Does it really answer: a metadata request to Kafka, `SELECT 1` to ClickHouse."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import clickhouse_driver
import clickhouse_driver.errors
import kafka
import kafka.errors

from tidecast.state.errors import ServiceError
from tidecast.tools.services.endpoints import ClickHouseEndpoint, Endpoint, KafkaEndpoint

__all__ = ["refusal", "wait_until_answers"]


def wait_until_answers(
    endpoint: Endpoint,
    *,
    within_s: float,
    remedy: str,
    give_up: Callable[[], str | None] = lambda: None,
) -> None:
    """Wait until a service answers.

    `remedy` says what to do when it does not; `give_up` may return why waiting is in vain.

    Raises
    ------
    ServiceError
        With the last refusal, after `within_s` seconds, or with the reason of `give_up`.
    """
    deadline = time.monotonic() + within_s
    while (problem := refusal(endpoint)) is not None:
        if (reason := give_up()) is not None:
            raise ServiceError(reason)
        if time.monotonic() > deadline:
            raise ServiceError(
                f"no answer from {endpoint} within {within_s:g} s ({problem}); {remedy}"
            )
        time.sleep(0.1)


def refusal(endpoint: Endpoint) -> str | None:
    """Ask a service once; return why it does not answer, None when it does."""
    if isinstance(endpoint, KafkaEndpoint):
        return _kafka_refusal(endpoint)
    return _clickhouse_refusal(endpoint)


def _kafka_refusal(endpoint: KafkaEndpoint) -> str | None:
    servers = endpoint.bootstrap.split(",")
    if (problem := _unreachable(servers)) is not None:
        return problem
    try:
        with _muted("kafka"):
            admin = kafka.KafkaAdminClient(
                bootstrap_servers=servers, bootstrap_timeout_ms=3_000, request_timeout_ms=3_000
            )
            try:
                brokers = admin.describe_cluster()["brokers"]
            finally:
                admin.close()
    except (kafka.errors.KafkaError, OSError, ValueError) as problem_met:
        return f"{type(problem_met).__name__}: {problem_met}"
    return None if brokers else "the cluster has no broker yet"


def _clickhouse_refusal(endpoint: ClickHouseEndpoint) -> str | None:
    if (problem := _unreachable([str(endpoint)])) is not None:
        return problem
    client = clickhouse_driver.Client(
        endpoint.host,
        port=endpoint.port,
        user=endpoint.user,
        password=endpoint.password,
        connect_timeout=3,
        send_receive_timeout=3,
    )
    try:
        with _muted("clickhouse_driver"):
            client.execute("SELECT 1")
    except clickhouse_driver.errors.ServerException as problem_met:
        return str(problem_met.message).splitlines()[0]
    except (clickhouse_driver.errors.Error, OSError, EOFError) as problem_met:
        return f"{type(problem_met).__name__}: {problem_met}"
    finally:
        client.disconnect()
    return None


def _unreachable(servers: list[str]) -> str | None:
    """Say why none of the servers takes a connection; the clients would retry and log."""
    problem: str | None = None
    for server in servers:
        host, _, port = server.strip().rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=2).close()
        except ValueError:
            problem = f"{server!r} is not host:port"
        except OSError as refused:
            problem = str(refused.strerror or refused)
        else:
            return None
    return problem


@contextmanager
def _muted(name: str) -> Iterator[None]:
    """Keep a client library's warnings about a server that is just starting out of sight."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
