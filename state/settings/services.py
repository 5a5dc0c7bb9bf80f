"""Settings of the servers, and of what is kept there. Secrets never print."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from tidecast.state.settings.base import Frozen

__all__ = [
    "CheckpointsSettings",
    "ClickHouseSettings",
    "KafkaSettings",
    "MetricsSettings",
    "SaslSettings",
    "TlsSettings",
]
SHORTEST_KEY = 16
LARGEST_PORT = 65_535


def _check_host(host: str) -> str:
    try:
        host.encode("idna")
    except UnicodeError:
        raise ValueError(f"{host!r} can be the name of no host: mend it") from None
    return host


Host = Annotated[str, AfterValidator(_check_host)]


class TlsSettings(Frozen):
    """TLS: the authority that signs the server, and our own certificate where it asks for one."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    verify_host: bool = True

    @model_validator(mode="after")
    def _certificate_with_key(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key come together: give both or neither")
        return self


class SaslSettings(Frozen):
    """SASL log-in to Kafka."""

    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    user: str
    password: SecretStr


class KafkaSettings(Frozen):
    """The broker, and the prefix of the topics that tidecast writes."""

    bootstrap: str = "127.0.0.1:9092"
    topic_prefix: str = Field(default="tidecast", pattern=r"^[A-Za-z0-9._-]{1,200}$")
    group: str = Field(default="tidecast", pattern=r"^[A-Za-z0-9._-]{1,200}$")
    replication_factor: int = Field(default=1, ge=1)
    tls: TlsSettings | None = None
    sasl: SaslSettings | None = None

    @field_validator("bootstrap")
    @classmethod
    def _hosts_and_ports(cls, bootstrap: str) -> str:
        if not re.fullmatch(r"[^\s,:@]+:\d+(,[^\s,:@]+:\d+)*", bootstrap):
            raise ValueError('write HOST:PORT, several with commas: "one:9092,two:9092"')
        for address in bootstrap.split(","):
            host, _, port = address.partition(":")
            _check_host(host)
            if not 1 <= int(port) <= LARGEST_PORT:
                raise ValueError(f"{address}: a port is a number from 1 to {LARGEST_PORT}")
        return bootstrap


class CheckpointsSettings(Frozen):
    """The key that checkpoints are signed with, and the one before it while that may be met.

    An empty key is none: nothing is signed. ``former_key`` is None where there was none other.
    """

    key: SecretStr = SecretStr("")
    former_key: SecretStr | None = None

    @field_validator("key", "former_key")
    @classmethod
    def _long_enough(cls, key: SecretStr | None) -> SecretStr | None:
        if key and len(key) < SHORTEST_KEY:
            raise ValueError(
                f"a key has {SHORTEST_KEY} characters or more: `openssl rand -base64 32` makes one"
            )
        return key


class ClickHouseSettings(Frozen):
    """The ClickHouse server, by its native protocol."""

    host: Host = "127.0.0.1"
    port: int = Field(default=9000, ge=1, le=LARGEST_PORT)
    user: str = "default"
    password: SecretStr = SecretStr("")
    database: str = Field(default="tidecast", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    tls: TlsSettings | None = None


class MetricsSettings(Frozen):
    """Where a worker shows its Prometheus metrics; port 0 shows none."""

    host: Host = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=LARGEST_PORT)
