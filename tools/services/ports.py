"""Private ports on the loopback."""

from __future__ import annotations

import random
import socket

from tidecast.state.errors import ServiceError

__all__ = ["LOOPBACK", "free_ports"]

LOOPBACK = "127.0.0.1"

# Below the range from which systems pick the ports of outgoing connections, so that no client
# takes a port between our look and the server's start.
_RANGE = range(20_000, 32_000)


def free_ports(count: int) -> list[int]:
    """Pick ports of 127.0.0.1 on which nobody listens.

    Raises
    ------
    ServiceError
        When the range is used up.
    """
    found: list[int] = []
    for port in random.sample(_RANGE, len(_RANGE)):
        if len(found) == count:
            return found
        if _is_free(port):
            found.append(port)
    raise ServiceError(f"no {count} free ports on {LOOPBACK}; stop some of the servers there")


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
