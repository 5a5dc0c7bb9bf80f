"""Processes of our own: started apart from us, recognised later, stopped for sure."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from tidecast.tools.services.endpoints import Endpoint

__all__ = ["Launch", "OwnProcess"]


@dataclass(frozen=True)
class Launch:
    """A server ready to be started, and where it will answer.

    `argv` holds absolute paths; `environment` is added to ours; `log` takes its output.
    """

    argv: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    endpoint: Endpoint


class OwnProcess(BaseModel):
    """A process we started: the id, and when it began.

    Ids are recycled, after a reboot soon: both together name one process for good.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pid: int
    began: str

    @classmethod
    def start(cls, launch: Launch) -> OwnProcess:
        """Start a server in a session of its own, so that it outlives the terminal."""
        log = os.open(launch.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        try:
            pid = os.posix_spawn(
                launch.argv[0],
                list(launch.argv),
                {**os.environ, **launch.environment},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, nothing, 0),
                    (os.POSIX_SPAWN_DUP2, log, 1),
                    (os.POSIX_SPAWN_DUP2, log, 2),
                ],
                setsid=True,
            )
        finally:
            os.close(log)
            os.close(nothing)
        return cls(pid=pid, began=_began(pid) or "")

    def is_alive(self) -> bool:
        """Tell whether this very process still runs."""
        _reap(self.pid)
        return bool(self.began) and _began(self.pid) == self.began

    def stop(self, patience_s: float = 10.0) -> None:
        """Ask the process to end, and end it after `patience_s` seconds; harmless when gone."""
        for request in (signal.SIGTERM, signal.SIGKILL):
            if not self.is_alive():
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, request)
            self._wait_for_end(patience_s)

    def _wait_for_end(self, patience_s: float) -> None:
        deadline = time.monotonic() + patience_s
        while self.is_alive() and time.monotonic() < deadline:
            time.sleep(0.05)


def _reap(pid: int) -> None:
    """Collect the process if it is a dead child of ours; a zombie would look alive."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _began(pid: int) -> str | None:
    """Return a text that no other process with this id has, None when it is gone."""
    stat = Path(f"/proc/{pid}/stat")
    if not Path("/proc/self/stat").exists():
        return _began_by_ps(pid)
    try:
        # The name in parentheses may hold blanks; state is the 3rd field, start time the 22nd.
        fields = stat.read_text(errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else f"{_boot()}/{fields[19]}"


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown boot"


def _began_by_ps(pid: int) -> str | None:
    shown = subprocess.run(
        ["ps", "-o", "state=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.split(maxsplit=1)
    return shown[1].strip() if len(shown) == 2 and not shown[0].startswith("Z") else None
