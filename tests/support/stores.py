"""A ClickHouse server of a test's own, which it may stop, hang, fill and start again."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import clickhouse_driver
import pytest

from tidecast.state.errors import ServiceError
from tidecast.tools.services import ClickHouseEndpoint
from tidecast.tools.services.clickhouse import prepare_clickhouse
from tidecast.tools.services.probe import wait_until_answers
from tidecast.tools.services.process import OwnProcess


class OwnClickHouse:
    """A server whose data stay when it is stopped and started again."""

    def __init__(self, folder: Path) -> None:
        try:
            self._launch = prepare_clickhouse(folder)
        except ServiceError as problem:
            pytest.skip(f"no server of one's own can be started: {problem}")
        self._process: OwnProcess | None = None

    @property
    def endpoint(self) -> ClickHouseEndpoint:
        assert isinstance(self._launch.endpoint, ClickHouseEndpoint)
        return self._launch.endpoint

    def start(self) -> None:
        self._process = OwnProcess.start(self._launch)
        wait_until_answers(self.endpoint, within_s=60, remedy="the machine may be too busy")

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop()
            self._process = None

    def freeze(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        end = self.endpoint
        with clickhouse_driver.Client(
            end.host, port=end.port, user=end.user, password=end.password
        ) as client:
            found: list[tuple[Any, ...]] = client.execute(sql)
            return found


@contextmanager
def own_clickhouse(folder: Path) -> Iterator[OwnClickHouse]:
    """Start a server in ``folder``, and stop it at the end however it was left."""
    folder.mkdir(exist_ok=True)
    server = OwnClickHouse(folder)
    server.start()
    try:
        yield server
    finally:
        if server._process is not None:
            server.thaw()
        server.stop()


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """Mount a file system of so many megabytes on ``folder``, or skip where we may not."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        for _ in range(50):
            if subprocess.run(["umount", str(folder)], check=False).returncode == 0:
                break
            time.sleep(0.2)


def memory_bytes(pid: int) -> int:
    """Return the resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"process {pid} has no memory")
