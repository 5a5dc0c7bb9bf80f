"""From the Kafka settings to the clients: kafka-python, aiokafka and Faust, with errors translated.

kafka-python keeps the reason of a failed start to its log; ``reach`` finds out for itself why a
broker does not let us in, so that the error can say what to mend.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import AuthorizationError, KafkaError
from kafka.net.compat import KafkaNetClient

from tidecast.state.errors import ServiceError
from tidecast.state.settings import KafkaSettings
from tidecast.streams.reach import obstacle, refusal
from tidecast.streams.secrets import revealed
from tidecast.streams.tls import tls_context

__all__ = [
    "admin_client",
    "aiokafka_options",
    "connect_consumer",
    "connect_producer",
    "faust_options",
    "kafka_python_options",
    "service_error",
    "translated",
]

CLIENT_ID = "tidecast"
BOOTSTRAP_MS = 5_000


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
            password=revealed(settings.sasl.password),
            mechanism=settings.sasl.mechanism,
            ssl_context=context,
        )
    elif context is not None:
        options["broker_credentials"] = SSLCredentials(context=context)
    return options


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
    if (problem := obstacle(settings)) is not None:
        raise ServiceError(problem)
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
    if (problem := obstacle(settings)) is not None:
        return ServiceError(problem)
    if "bootstrap" in str(error):
        return ServiceError(refusal(settings))
    if isinstance(error, AuthorizationError):
        return ServiceError(f"Kafka refuses {_who(settings)} this ({error}): grant it by an ACL")
    return ServiceError(f"Kafka refuses: {error}")


def _who(settings: KafkaSettings) -> str:
    return "us" if settings.sasl is None else f"user {settings.sasl.user}"


def _protocol(settings: KafkaSettings) -> str:
    secured = "SSL" if settings.tls is not None else "PLAINTEXT"
    return secured if settings.sasl is None else f"SASL_{secured}"


def _sasl(settings: KafkaSettings) -> dict[str, Any]:
    if settings.sasl is None:
        return {}
    return {
        "sasl_mechanism": settings.sasl.mechanism,
        "sasl_plain_username": settings.sasl.user,
        "sasl_plain_password": revealed(settings.sasl.password),
    }
