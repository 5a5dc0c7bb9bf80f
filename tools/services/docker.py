"""The stack of `deploy/compose.yaml`, when a Docker engine answers."""

from __future__ import annotations

import hashlib
import secrets
from importlib.resources import as_file, files
from pathlib import Path

from tidecast.state.errors import ServiceError
from tidecast.tools.services.endpoints import ClickHouseEndpoint, Endpoint, KafkaEndpoint, Part
from tidecast.tools.services.ports import LOOPBACK, free_ports
from tidecast.tools.services.shell import program, run

__all__ = ["DockerStack"]

_KAFKA_PORT = "TIDECAST_SERVICES_KAFKA_PORT"
_CLICKHOUSE_PORT = "TIDECAST_SERVICES_CLICKHOUSE_PORT"
_PASSWORD = "TIDECAST_SERVICES_CLICKHOUSE_PASSWORD"


class DockerStack:
    """One compose project for one services folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._project = f"tidecast-{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}"

    def check(self) -> None:
        """Find out quickly whether Docker can be used.

        Raises
        ------
        ServiceError
            When there is no Docker, no engine answers or compose is missing.
        """
        docker = program("docker", "install Docker (https://docs.docker.com/engine/install)")
        run([docker, "info", "--format", "{{.ServerVersion}}"], timeout_s=5)
        run([docker, "compose", "version"], timeout_s=5)

    def start(self, part: Part) -> None:
        """Start one part and wait until it is healthy; the others are left as they are."""
        self._compose("up", "--detach", "--wait", "--wait-timeout", "180", part, timeout_s=600)

    def endpoint(self, part: Part) -> Endpoint:
        """Say where a part is published."""
        choices = self._choices()
        if part == "kafka":
            return KafkaEndpoint(bootstrap=f"{LOOPBACK}:{choices[_KAFKA_PORT]}")
        return ClickHouseEndpoint(
            host=LOOPBACK,
            port=int(choices[_CLICKHOUSE_PORT]),
            user="tidecast",
            password=choices[_PASSWORD],
        )

    def stop(self, part: Part) -> None:
        """Stop one part and remove its container and its data; harmless without an engine."""
        if self._is_there():
            self._compose("rm", "--stop", "--force", "--volumes", part, timeout_s=120)

    def stop_all(self) -> None:
        """Remove what is left of the project, its network too; harmless without an engine."""
        if self._is_there():
            self._compose("down", "--volumes", "--remove-orphans", timeout_s=120)

    def _is_there(self) -> bool:
        """Tell whether an engine answers: without one no container of ours runs either."""
        try:
            self.check()
        except ServiceError:
            return False
        return True

    def _compose(self, *words: str, timeout_s: float) -> None:
        docker = program("docker", "install Docker (https://docs.docker.com/engine/install)")
        with as_file(files("tidecast.deploy").joinpath("compose.yaml")) as compose:
            options = ["--project-name", self._project, "--file", str(compose)]
            environment = self._choices()
            run([docker, "compose", *options, *words], timeout_s=timeout_s, environment=environment)

    def _choices(self) -> dict[str, str]:
        """Return the ports and the password of this folder, chosen once.

        Compose makes a container anew when its settings change, so they must not.
        """
        path = self._folder / "compose.env"
        if not path.exists():
            path.touch(mode=0o600)
            kafka_port, clickhouse_port = free_ports(2)
            path.write_text(
                f"{_KAFKA_PORT}={kafka_port}\n{_CLICKHOUSE_PORT}={clickhouse_port}\n"
                f"{_PASSWORD}={secrets.token_urlsafe(18)}\n"
            )
        lines = (line.partition("=") for line in path.read_text().splitlines())
        return {name: value for name, _, value in lines}
