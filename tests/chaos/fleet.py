"""The workers, and the supervisor that starts one again when it has ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Fleet", "Slot"]

OUR_FAULT = 1
RESTARTABLE = {0, OUR_FAULT, 4, -signal.SIGKILL, -signal.SIGTERM}
STOP_SECONDS = 60.0


@dataclass
class Slot:
    """A worker's stable place: its role and name, and the process that fills it now."""

    role: str
    name: str
    process: subprocess.Popen[bytes] | None = None
    not_before: float = 0.0
    starts: int = 0
    codes: list[int] = field(default_factory=list)
    frozen: bool = False

    @property
    def title(self) -> str:
        return f"{self.role}-{self.name}"


class Fleet:
    """Keeps the wanted slots filled, as a supervisor does; a thread looks every half second."""

    def __init__(self, settings: Path, environment: Mapping[str, str]) -> None:
        self._settings = settings
        self._environment = dict(os.environ) | dict(environment)
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self.slots: dict[str, Slot] = {}
        self.given_up: list[str] = []
        self.our_faults: list[str] = []
        self._thread = threading.Thread(target=self._keep, name="supervisor")

    def __enter__(self) -> Fleet:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        for slot in self.slots.values():
            if slot.process is not None and slot.process.poll() is None:
                slot.process.send_signal(signal.SIGCONT)
                slot.process.kill()
                slot.process.wait()

    def add(self, role: str, name: str) -> Slot:
        """Want one more worker."""
        with self._lock:
            slot = self.slots[f"{role}-{name}"] = Slot(role, name)
            return slot

    def of(self, role: str) -> list[Slot]:
        """Return the running, unfrozen workers of a role."""
        with self._lock:
            return [
                slot
                for slot in self.slots.values()
                if slot.role == role
                and not slot.frozen
                and slot.process is not None
                and slot.process.poll() is None
            ]

    def pick(self, role: str, chance: float) -> Slot | None:
        """Return one of the running workers of a role, drawn by ``chance`` in [0, 1)."""
        slots = self.of(role)
        return slots[int(chance * len(slots))] if slots else None

    def kill(self, slot: Slot, away_seconds: float) -> None:
        """End a worker without warning; it is started again after a while."""
        with self._lock:
            slot.not_before = time.monotonic() + away_seconds
            if slot.process is not None:
                slot.process.kill()

    def freeze(self, slot: Slot, seconds: float) -> None:
        """Stop a worker where it stands, and let it go on, unaware, after ``seconds``."""
        process = slot.process
        if process is None:
            return
        slot.frozen = True
        process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        process.send_signal(signal.SIGCONT)
        slot.frozen = False

    def remove(self, slot: Slot) -> int:
        """Want a worker no longer: ask it to end, and return its exit code."""
        with self._lock:
            self.slots.pop(slot.title, None)
        return self.end(slot)

    def end(self, slot: Slot) -> int:
        """Ask a worker to end; return its exit code."""
        process = slot.process
        if process is None or process.poll() is not None:
            return 0 if process is None else process.returncode
        process.terminate()
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def stop(self) -> dict[str, int]:
        """Ask all workers to end; return their exit codes."""
        self._ended.set()
        self._thread.join()
        return {title: self.end(slot) for title, slot in self.slots.items()}

    def _keep(self) -> None:
        while not self._ended.wait(0.5):
            with self._lock:
                for slot in list(self.slots.values()):
                    self._fill(slot)

    def _fill(self, slot: Slot) -> None:
        if slot.process is not None:
            code = slot.process.poll()
            if code is None:
                return
            slot.codes.append(code)
            slot.process = None
            if code == OUR_FAULT:
                self.our_faults.append(f"{slot.title}: {self._tail(slot)}")
            if code not in RESTARTABLE:
                self.given_up.append(f"{slot.title} ended with {code}: {self._tail(slot)}")
                del self.slots[slot.title]
                return
        if time.monotonic() >= slot.not_before:
            slot.starts += 1
            slot.process = self._start(slot)

    def _start(self, slot: Slot) -> subprocess.Popen[bytes]:
        options = ["--settings", str(self._settings), "worker", slot.role, "--slot", slot.name]
        with self.log(slot).open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "tidecast.tools.main", "-v", *options],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=self._environment,
            )

    def log(self, slot: Slot) -> Path:
        """Return the file a worker logs to."""
        return self._settings.with_name(f"{slot.title}.log")

    def _tail(self, slot: Slot) -> str:
        return self.log(slot).read_text(errors="replace")[-2_000:]
