"""``tidecast worker all``: one worker process of each role, kept running.

The workers hold the reading end of a pipe that nobody writes to. However the crew's process ends,
its end of the pipe closes, and the workers stop as if they were asked to.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from tidecast.state.errors import (
    CheckpointError,
    ContractError,
    LogError,
    SettingsError,
)
from tidecast.streams.backoff import Backoff

__all__ = ["FOR_A_PERSON", "ROLES", "Crew", "stop_with"]

logger = logging.getLogger(__name__)
ROLES = ("ingest", "forecast", "sink")
FOR_A_PERSON = frozenset(
    error.exit_code for error in (SettingsError, LogError, CheckpointError, ContractError)
)
"""The exit codes that starting again mends nothing of."""

STOP_SECONDS = 15.0
POLL_SECONDS = 0.2
SOUND_SECONDS = 60.0  # who ran so long is started again without a longer wait


@dataclass
class Member:
    """A worker process, started again when it ends by accident."""

    role: str
    command: list[str]
    environment: dict[str, str]
    lifeline: int
    process: subprocess.Popen[bytes] | None = None
    due: float = 0.0
    started: float = 0.0
    backoff: Backoff = field(default_factory=lambda: Backoff(1.0, 30.0))

    def look(self, now: float) -> int | None:
        """Start the process when it is due; return its code when it ended for a person to see."""
        if self.process is None:
            if now >= self.due:
                self._start(now)
            return None
        code = self.process.poll()
        if code is None or code in FOR_A_PERSON:
            return code
        if now - self.started > SOUND_SECONDS:
            self.backoff.reset()
        seconds = self.backoff.next()
        self.process, self.due = None, now + seconds
        logger.warning("worker %s ended with %d: again in %.1f s", self.role, code, seconds)
        return None

    def _start(self, now: float) -> None:
        self.started = now
        # In a session of its own: Ctrl-C reaches us alone, and we ask it once to stop.
        self.process = subprocess.Popen(
            self.command,
            env=os.environ | self.environment,
            start_new_session=True,
            pass_fds=(self.lifeline,),
        )


def stop_with(lifeline: int, holder: str = "`worker all`") -> None:
    """Ask this process to stop as soon as its ``holder`` lets go of the pipe ``lifeline``."""

    def wait() -> None:
        os.read(lifeline, 1)
        logger.warning("%s is gone: stopping", holder)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()


class Crew:
    """One worker of each role; with metrics on ``port``, the roles' are on port, +1 and +2."""

    def __init__(self, settings: Path, slot: str | None, port: int) -> None:
        program = [sys.executable, "-m", "tidecast.tools.main"]
        program += ["-v"] if logging.getLogger().isEnabledFor(logging.INFO) else []
        options = [] if slot is None else ["--slot", slot]
        lifeline, self._held = os.pipe()
        options += ["--lifeline", str(lifeline)]
        self._stopping = threading.Event()
        self.members = [
            Member(
                role,
                [*program, "--settings", str(settings), "worker", role, *options],
                {"TIDECAST_METRICS__PORT": str(port + number)} if port else {},
                lifeline,
            )
            for number, role in enumerate(ROLES)
        ]

    def run(self) -> int:
        """Keep the workers running until stopped, or until one needs a person; return the code."""
        asked: list[int] = []

        def stop(number: int, *_: object) -> None:
            asked.append(number)
            self._stopping.set()
            if len(asked) > 1:
                self._signal(signal.SIGKILL)

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        code = self._watch()
        self._signal(signal.SIGTERM)
        self._wait()
        return 128 + asked[-1] if len(asked) > 1 else code

    def _watch(self) -> int:
        while not self._stopping.is_set():
            for member in self.members:
                code = member.look(time.monotonic())
                if code is not None:
                    logger.error("worker %s ended with %d: stopping all", member.role, code)
                    return code
            self._stopping.wait(POLL_SECONDS)
        return 0

    def _signal(self, number: signal.Signals) -> None:
        for member in self.members:
            if member.process is not None and member.process.poll() is None:
                member.process.send_signal(number)

    def _wait(self) -> None:
        deadline = time.monotonic() + STOP_SECONDS
        for member in self.members:
            if member.process is None:
                continue
            try:
                member.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                member.process.kill()
                member.process.wait()
