"""From settings to client options, and from client errors to sentences."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from pydantic import SecretStr

from tidecast.state.errors import ServiceError
from tidecast.state.settings import KafkaSettings, SaslSettings, TlsSettings
from tidecast.streams.clients import (
    admin_client,
    aiokafka_options,
    connect_consumer,
    connect_producer,
    faust_options,
    kafka_python_options,
)

SASL = SaslSettings(user="ann", password=SecretStr("s3cret"))
NOBODY = KafkaSettings(bootstrap="127.0.0.1:1")


@pytest.mark.parametrize(
    ("tls", "sasl", "protocol"),
    [
        (None, None, "PLAINTEXT"),
        (TlsSettings(), None, "SSL"),
        (None, SASL, "SASL_PLAINTEXT"),
        (TlsSettings(), SASL, "SASL_SSL"),
    ],
)
def test_the_protocol_follows_from_tls_and_sasl(
    tls: TlsSettings | None, sasl: SaslSettings | None, protocol: str
) -> None:
    settings = KafkaSettings(bootstrap="a:1,b:2", tls=tls, sasl=sasl)
    for options in (kafka_python_options(settings), aiokafka_options(settings)):
        assert options["security_protocol"] == protocol
        assert (options["ssl_context"] is None) == (tls is None)
        assert options.get("sasl_plain_password") == (sasl and "s3cret")


def test_every_broker_of_the_list_is_named() -> None:
    settings = KafkaSettings(bootstrap="a:1,b:2")
    assert kafka_python_options(settings)["bootstrap_servers"] == ["a:1", "b:2"]
    assert aiokafka_options(settings)["bootstrap_servers"] == "a:1,b:2"
    assert faust_options(settings) == {"broker": "kafka://a:1;b:2"}


def test_faust_gets_the_credentials() -> None:
    credentials = faust_options(KafkaSettings(sasl=SASL))["broker_credentials"]
    assert (credentials.username, credentials.password) == ("ann", "s3cret")
    assert credentials.mechanism.value == "SCRAM-SHA-512"
    secured = faust_options(KafkaSettings(tls=TlsSettings()))["broker_credentials"]
    assert isinstance(secured.context, ssl.SSLContext)


def test_the_host_name_is_verified_unless_told_otherwise() -> None:
    for verify in (True, False):
        tls = TlsSettings(verify_host=verify)
        context = kafka_python_options(KafkaSettings(tls=tls))["ssl_context"]
        assert context.check_hostname is verify
        assert context.verify_mode is ssl.CERT_REQUIRED


def test_a_missing_certificate_is_named_with_its_table(tmp_path: Path) -> None:
    settings = KafkaSettings(tls=TlsSettings(ca=tmp_path / "absent.pem"))
    with pytest.raises(ServiceError, match=r"kafka\.tls\.ca names .*absent\.pem.*mend the path"):
        kafka_python_options(settings)


@pytest.mark.parametrize("connect", [connect_producer, connect_consumer])
def test_a_dead_broker_is_one_sentence_with_the_remedy(connect: object) -> None:
    with pytest.raises(ServiceError, match=r"no Kafka broker answers at 127\.0\.0\.1:1: start one"):
        connect(NOBODY)  # type: ignore[operator]


def test_a_dead_broker_is_one_sentence_for_admin_clients_too() -> None:
    with pytest.raises(ServiceError, match="no Kafka broker answers"), admin_client(NOBODY):
        pass
