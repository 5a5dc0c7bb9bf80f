"""A real Kafka broker and a real ClickHouse server, for development and tests."""

from __future__ import annotations

from tidecast.tools.services.endpoints import (
    PARTS,
    ClickHouseEndpoint,
    Endpoint,
    Endpoints,
    KafkaEndpoint,
    Part,
)
from tidecast.tools.services.lifecycle import PartStatus, down, running_services, status, up

__all__ = [
    "PARTS",
    "ClickHouseEndpoint",
    "Endpoint",
    "Endpoints",
    "KafkaEndpoint",
    "Part",
    "PartStatus",
    "down",
    "running_services",
    "status",
    "up",
]
