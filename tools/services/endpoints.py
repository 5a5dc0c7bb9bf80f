"""Where Kafka and ClickHouse answer."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tidecast.state.errors import ServiceError

__all__ = ["PARTS", "ClickHouseEndpoint", "Endpoint", "Endpoints", "KafkaEndpoint", "Part"]

Part = Literal["kafka", "clickhouse"]
PARTS: tuple[Part, ...] = ("kafka", "clickhouse")


class KafkaEndpoint(BaseModel):
    """A broker to bootstrap from: `host:port`, several joined by commas."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bootstrap: str

    def __str__(self) -> str:
        return self.bootstrap

    def environment(self) -> dict[str, str]:
        """Name the endpoint as the settings read it."""
        return {"TIDECAST_KAFKA__BOOTSTRAP": self.bootstrap}


class ClickHouseEndpoint(BaseModel):
    """A ClickHouse server's native port and who may enter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    port: int
    user: str
    password: str = Field(repr=False)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def environment(self) -> dict[str, str]:
        """Name the endpoint as the settings read it."""
        return {
            "TIDECAST_CLICKHOUSE__HOST": self.host,
            "TIDECAST_CLICKHOUSE__PORT": str(self.port),
            "TIDECAST_CLICKHOUSE__USER": self.user,
            "TIDECAST_CLICKHOUSE__PASSWORD": self.password,
        }


Endpoint = KafkaEndpoint | ClickHouseEndpoint


class Endpoints(BaseModel):
    """The endpoints of the parts that were asked for; None for a part that was not."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kafka: KafkaEndpoint | None = None
    clickhouse: ClickHouseEndpoint | None = None

    @classmethod
    def given_by(cls, environment: Mapping[str, str] = os.environ) -> Endpoints:
        """Read the endpoints that `TIDECAST_KAFKA__...` and `TIDECAST_CLICKHOUSE__...` name.

        Raises
        ------
        ServiceError
            When `TIDECAST_CLICKHOUSE__PORT` is not a port.
        """
        bootstrap = environment.get("TIDECAST_KAFKA__BOOTSTRAP")
        return cls(
            kafka=KafkaEndpoint(bootstrap=bootstrap) if bootstrap else None,
            clickhouse=_clickhouse_given_by(environment),
        )

    def of(self, part: Part) -> Endpoint | None:
        """Return one part's endpoint."""
        return self.kafka if part == "kafka" else self.clickhouse

    def environment(self) -> dict[str, str]:
        """Name all endpoints as the settings read them."""
        present = (self.of(part) for part in PARTS)
        return {
            name: value
            for endpoint in present
            if endpoint is not None
            for name, value in endpoint.environment().items()
        }


def _clickhouse_given_by(environment: Mapping[str, str]) -> ClickHouseEndpoint | None:
    host = environment.get("TIDECAST_CLICKHOUSE__HOST")
    if not host:
        return None
    port = environment.get("TIDECAST_CLICKHOUSE__PORT", "9000")
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise ServiceError(
            f"TIDECAST_CLICKHOUSE__PORT is {port!r}; set it to the server's native port, e.g. 9000"
        )
    return ClickHouseEndpoint(
        host=host,
        port=int(port),
        user=environment.get("TIDECAST_CLICKHOUSE__USER", "default"),
        password=environment.get("TIDECAST_CLICKHOUSE__PASSWORD", ""),
    )
