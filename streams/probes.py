"""The small HTTP server of a worker: /metrics for Prometheus, /healthz and /readyz."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from tidecast.state.errors import ServiceError
from tidecast.state.settings import MetricsSettings
from tidecast.streams.health import Answer, Health

__all__ = ["serve_probes"]

logger = logging.getLogger(__name__)
REQUEST_SECONDS = 10.0  # who says nothing for so long is hung up on


def serve_probes(settings: MetricsSettings, health: Health) -> ThreadingHTTPServer | None:
    """Answer on the settings' host and port, in threads of its own; port 0 means not at all.

    Raises
    ------
    ServiceError
        When the port is taken or the host is not ours.
    """
    if not settings.port:
        return None
    try:
        server = Server((settings.host, settings.port), _handler(health))
    except OSError as error:
        raise ServiceError(
            f"metrics cannot be shown on {settings.host}:{settings.port} ({error.strerror}): "
            "give each worker a metrics.port of its own (TIDECAST_METRICS__PORT), 0 for none"
        ) from error
    Thread(target=server.serve_forever, name="probes", daemon=True).start()
    return server


class Server(ThreadingHTTPServer):
    """A server whose threads keep no process alive."""

    daemon_threads = True


def _handler(health: Health) -> type[BaseHTTPRequestHandler]:
    probes: dict[str, Callable[[], Answer]] = {"/healthz": health.alive, "/readyz": health.ready}

    class Handler(BaseHTTPRequestHandler):
        timeout = REQUEST_SECONDS

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                self._send(200, CONTENT_TYPE_LATEST, generate_latest())
            elif (probe := probes.get(path)) is not None:
                answer = probe()
                body = json.dumps(answer.body()).encode() + b"\n"
                self._send(200 if answer.reason is None else 503, "application/json", body)
            else:
                self._send(404, "text/plain", b"ask for /metrics, /healthz or /readyz\n")

        def _send(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            logger.debug(format, *arguments)

    return Handler
