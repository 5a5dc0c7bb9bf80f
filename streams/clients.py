"""From the Kafka settings to the clients: kafka-python, aiokafka and Faust, with errors translated.

kafka-python keeps the reason of a failed start to its log; ``service_error`` looks for itself
whether anybody answers, so that the error can say what to mend.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError
from kafka.net.compat import KafkaNetClient

from tidecast.state.errors import ServiceError
from tidecast.state.settings import KafkaSettings, TlsSettings

__all__ = [
    "admin_client",
    "aiokafka_options",
    "connect_consumer",
    "connect_producer",
    "faust_options",
    "kafka_python_options",
    "service_error",
    "tls_context",
    "translated",
]

CLIENT_ID = "tidecast"
BOOTSTRAP_MS = 5_000
PROBE_SECONDS = 2.0


def kafka_python_options(settings: KafkaSettings) -> dict[str, Any]:
    """Return keyword arguments of every kafka-python client."""
    options = {
        "bootstrap_servers": settings.bootstrap.split(","),
        "bootstrap_timeout_ms": BOOTSTRAP_MS,
        "client_id": CLIENT_ID,
        "security_protocol": _protocol(settings),
        "ssl_context": tls_context(settings.tls),
    }
    return options | _sasl(settings)


def aiokafka_options(settings: KafkaSettings) -> dict[str, Any]:
    """Return keyword arguments of aiokafka's consumers and producers."""
    options = {
        "bootstrap_servers": settings.bootstrap,
        "client_id": CLIENT_ID,
        "security_protocol": _protocol(settings),
        "ssl_context": tls_context(settings.tls),
    }
    return options | _sasl(settings)


def faust_options(settings: KafkaSettings) -> dict[str, Any]:
    """Return the keyword arguments of a Faust app that name the broker and our credentials."""
    from faust import SASLCredentials, SSLCredentials  # heavy: only workers need it

    context = tls_context(settings.tls)
    options: dict[str, Any] = {"broker": f"kafka://{settings.bootstrap.replace(',', ';')}"}
    if settings.sasl is not None:
        options["broker_credentials"] = SASLCredentials(
            username=settings.sasl.user,
            password=settings.sasl.password.get_secret_value(),
            mechanism=settings.sasl.mechanism,
            ssl_context=context,
        )
    elif context is not None:
        options["broker_credentials"] = SSLCredentials(context=context)
    return options


def tls_context(settings: TlsSettings | None) -> ssl.SSLContext | None:
    """Return how to speak TLS; None for plain text.

    Raises
    ------
    ServiceError
        When a certificate or key file is missing or unusable.
    """
    if settings is None:
        return None
    try:
        context = ssl.create_default_context(cafile=settings.ca)
        if settings.certificate is not None:
            context.load_cert_chain(settings.certificate, settings.key)
    except OSError as error:  # ssl.SSLError is one
        raise ServiceError(
            f"kafka.tls: a certificate or key cannot be used ({error}): check ca, certificate, key"
        ) from error
    context.check_hostname = settings.verify_host
    return context


@contextmanager
def admin_client(settings: KafkaSettings) -> Iterator[KafkaAdminClient]:
    """Connect an admin client; ``ServiceError`` within seconds when there is no broker."""
    with translated(settings), _connect(KafkaAdminClient, settings) as admin:
        yield admin


def connect_producer(settings: KafkaSettings, **options: Any) -> KafkaProducer:
    """Return a connected producer; ``ServiceError`` within seconds when there is no broker."""
    return _connect(KafkaProducer, settings, **options)


def connect_consumer(settings: KafkaSettings, **options: Any) -> KafkaConsumer:
    """Return a connected consumer; ``ServiceError`` within seconds when there is no broker."""
    return _connect(KafkaConsumer, settings, **options)


def _connect(kind: Any, settings: KafkaSettings, **options: Any) -> Any:
    if not _anybody_answers(settings):
        raise _nobody(settings)
    networks: list[KafkaNetClient] = []

    def network(**configs: Any) -> KafkaNetClient:
        networks.append(KafkaNetClient(**configs))
        return networks[-1]

    try:
        return kind(**kafka_python_options(settings), kafka_client=network, **options)
    except KafkaError as error:
        for opened in networks:  # a constructor that fails leaves its sockets open
            opened.close()
        raise service_error(settings, error) from error


@contextmanager
def translated(settings: KafkaSettings) -> Iterator[None]:
    """Turn kafka-python's errors into a ``ServiceError`` that says what to do."""
    try:
        yield
    except KafkaError as error:
        raise service_error(settings, error) from error


def service_error(settings: KafkaSettings, error: KafkaError) -> ServiceError:
    """Return what to tell a user of a failed request; looks anew whether a broker is there."""
    if not _anybody_answers(settings):
        return _nobody(settings)
    if "bootstrap" in str(error):
        where = settings.bootstrap
        return ServiceError(f"the server at {where} does not let us in: {_remedy(settings)}")
    return ServiceError(f"Kafka refuses: {error}")


def _nobody(settings: KafkaSettings) -> ServiceError:
    return ServiceError(
        f"no Kafka broker answers at {settings.bootstrap}: start one (`tidecast services up`), "
        "or set kafka.bootstrap (TIDECAST_KAFKA__BOOTSTRAP)"
    )


def _remedy(settings: KafkaSettings) -> str:
    if settings.sasl is not None:
        return (
            f"check the user ({settings.sasl.user}), password and mechanism "
            f"({settings.sasl.mechanism}) in kafka.sasl, and whether it wants TLS (kafka.tls)"
        )
    if settings.tls is not None:
        return "check kafka.tls (authority, certificate, host name), and whether it speaks TLS"
    return "it may want TLS or a log-in (set kafka.tls, kafka.sasl), or is no Kafka broker"


def _anybody_answers(settings: KafkaSettings) -> bool:
    return any(_answers(address) for address in settings.bootstrap.split(","))


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=PROBE_SECONDS):
            return True
    except OSError:
        return False


def _protocol(settings: KafkaSettings) -> str:
    secured = "SSL" if settings.tls is not None else "PLAINTEXT"
    return secured if settings.sasl is None else f"SASL_{secured}"


def _sasl(settings: KafkaSettings) -> dict[str, Any]:
    if settings.sasl is None:
        return {}
    return {
        "sasl_mechanism": settings.sasl.mechanism,
        "sasl_plain_username": settings.sasl.user,
        "sasl_plain_password": settings.sasl.password.get_secret_value(),
    }
