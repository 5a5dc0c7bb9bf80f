"""A broker and a ClickHouse server that may be killed, stopped and started again on their data."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tidecast.tools.services import ClickHouseEndpoint, KafkaEndpoint
from tidecast.tools.services.clickhouse import prepare_clickhouse
from tidecast.tools.services.kafka import prepare_kafka
from tidecast.tools.services.probe import wait_until_answers
from tidecast.tools.services.process import Launch, OwnProcess

__all__ = ["Server", "Servers", "servers"]


@dataclass
class Server:
    """A server process, started anew on the same data as often as it is killed."""

    launch: Launch
    process: OwnProcess

    @classmethod
    def start(cls, launch: Launch) -> Server:
        """Start it and wait until it answers."""
        server = cls(launch, OwnProcess.start(launch))
        server.wait()
        return server

    def wait(self) -> None:
        """Wait until it answers."""
        wait_until_answers(self.launch.endpoint, within_s=90, remedy="see its log")

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        """End it without warning."""
        self.signal(signal.SIGKILL)
        while self.process.is_alive():
            time.sleep(0.05)

    def start_again(self) -> None:
        """Start it on the data that it left."""
        self.process = OwnProcess.start(self.launch)
        self.wait()


@dataclass
class Servers:
    """Both servers."""

    kafka: Server
    clickhouse: Server

    @property
    def bootstrap(self) -> str:
        endpoint = self.kafka.launch.endpoint
        assert isinstance(endpoint, KafkaEndpoint)
        return endpoint.bootstrap

    @property
    def login(self) -> dict[str, str]:
        endpoint = self.clickhouse.launch.endpoint
        assert isinstance(endpoint, ClickHouseEndpoint)
        return endpoint.environment()


@contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    """Have both up within a ``with`` block, below ``folder``."""
    started: list[Server] = []
    try:
        for name, prepare in (("kafka", prepare_kafka), ("clickhouse", prepare_clickhouse)):
            own = folder / name
            own.mkdir(parents=True)
            started.append(Server.start(prepare(own)))
        yield Servers(*started)
    finally:
        for server in started:
            if server.process.is_alive():
                server.signal(signal.SIGCONT)
            server.process.stop()
