"""Whether a broker answers, and why it does not let us in: asked beside the clients.

kafka-python keeps the reason of a failed start to its log, in words about sockets. So we knock
ourselves: at the port, by TLS, and with the first message of a log-in.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Callable
from typing import TypeVar

from tidecast.state.settings import KafkaSettings, SaslSettings
from tidecast.streams.tls import shake_hands, speaks_tls, tls_context, tls_remedy

__all__ = ["obstacle", "refusal"]

Answer = TypeVar("Answer")
PROBE_SECONDS = 2.0
SASL_HANDSHAKE = 17
UNSUPPORTED_MECHANISM = 33
ILLEGAL_STATE = 34  # what a port without log-ins answers


def obstacle(settings: KafkaSettings) -> str | None:
    """Return why no broker of the list can be spoken to; None when one can.

    Raises
    ------
    ServiceError
        When a certificate or key file is unusable.
    """
    return _tls_problem(settings, patience_seconds=0.0)


def refusal(settings: KafkaSettings) -> str:
    """Return why a broker that can be spoken to does not let us in, as far as it tells."""
    where = f"the server at {settings.bootstrap} does not let us in"
    if settings.tls is None and _ask(settings, speaks_tls):
        return f"{where}: it speaks TLS there: add [kafka.tls] with its ca, or name its plain port"
    if problem := _tls_problem(settings, patience_seconds=1.0):
        return problem
    if settings.sasl is None:
        return f"{where}: it may want a log-in (set kafka.sasl), or is no Kafka broker"
    return f"{where}: {_log_in_problem(settings, settings.sasl)}"


def _tls_problem(settings: KafkaSettings, patience_seconds: float) -> str | None:
    context = tls_context(settings.tls)
    found = None
    for address in settings.bootstrap.split(","):
        host, port = _host_and_port(address)
        try:
            connection = socket.create_connection((host, port), PROBE_SECONDS)
        except OSError:
            continue
        with connection:
            try:
                if context is not None:
                    shake_hands(context, host, connection, patience_seconds)
            except OSError as error:
                remedy = tls_remedy(error, "kafka.tls")
                found = f"the server at {address} does not let us in: {remedy}"
            else:
                return None
    return found or (
        f"no Kafka broker answers at {settings.bootstrap}: start one (`tidecast services up`), "
        "or set kafka.bootstrap (TIDECAST_KAFKA__BOOTSTRAP)"
    )


def _log_in_problem(settings: KafkaSettings, sasl: SaslSettings) -> str:
    code, mechanisms = _ask(settings, lambda c: _offered(c, sasl.mechanism)) or (0, [])
    if code == ILLEGAL_STATE:
        return "it takes no log-ins there: name the port that does, or remove [kafka.sasl]"
    if code == UNSUPPORTED_MECHANISM:
        known = ", ".join(mechanisms)
        return f"it knows no {sasl.mechanism}: set kafka.sasl.mechanism to what it knows ({known})"
    return (
        f"check the user ({sasl.user}), password and mechanism ({sasl.mechanism}) in kafka.sasl "
        "(TIDECAST_KAFKA__SASL__PASSWORD)"
    )


def _ask(settings: KafkaSettings, question: Callable[[socket.socket], Answer]) -> Answer | None:
    """Put a question to the first broker that answers it, by TLS where the settings have it."""
    context = tls_context(settings.tls)
    for address in settings.bootstrap.split(","):
        try:
            with _connection(address, context) as connection:
                return question(connection)
        except OSError:
            continue
    return None


def _connection(address: str, context: ssl.SSLContext | None) -> socket.socket:
    host, port = _host_and_port(address)
    connection = socket.create_connection((host, port), PROBE_SECONDS)
    return connection if context is None else context.wrap_socket(connection, server_hostname=host)


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _offered(connection: socket.socket, mechanism: str) -> tuple[int, list[str]]:
    """Name the mechanism of a log-in; return the broker's error code and the ones it knows.

    No name and no password is sent. See https://kafka.apache.org/protocol#sasl_handshake.
    """
    head = struct.pack(">hhih", SASL_HANDSHAKE, 1, 0, -1)  # API, version, correlation, no client
    message = head + _text(mechanism)
    connection.sendall(struct.pack(">i", len(message)) + message)
    with connection.makefile("rb") as answer:
        start = answer.read(14)
        if len(start) < 14:
            raise ConnectionError("the server hung up")
        _, _, code, count = struct.unpack(">iihi", start)
        lengths = (struct.unpack(">h", answer.read(2))[0] for _ in range(count))
        return code, [answer.read(length).decode() for length in lengths]


def _text(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode()
