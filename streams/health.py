"""Whether a worker is alive, and whether it has caught up: what a supervisor asks."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from faust.types import TP

__all__ = ["Answer", "Health"]

SILENCE_SECONDS = 10.0
SMALL_LAG = 1_000  # records; always below the bound
WORTH_SECONDS = 10.0  # a lag that the present speed works off in this time is small too


@dataclass(frozen=True)
class Answer:
    """The answer to a probe; ``reason`` is None when all is well."""

    role: str
    reason: str | None
    lag: int | None

    def body(self) -> dict[str, object]:
        """Return what is sent, as JSON values; the lag is in records, null where unknown."""
        status = "ok" if self.reason is None else "failing"
        return {"status": status, "role": self.role, "reason": self.reason, "lag": self.lag}


class Health:
    """What the event loop tells of a worker, asked from the thread of the HTTP server.

    The loop ticks; an answer is judged by how long ago that was, so a loop that hangs is seen.
    """

    def __init__(self, role: str) -> None:
        self._role = role
        self._lock = threading.Lock()
        self._ticked = time.monotonic()
        self._failure: str | None = None
        self._trouble: str | None = None
        self._lags: Mapping[TP, int | None] | None = None
        self._speed = 0.0

    def tick(self, trouble: str | None, records_per_second: float) -> None:
        """Say that the event loop is alive, what it waits for, and how fast it goes."""
        with self._lock:
            self._ticked = time.monotonic()
            self._trouble = trouble
            self._speed = records_per_second

    def assigned(self, lags: Mapping[TP, int | None] | None) -> None:
        """Say how far behind each assigned partition is, None where that is not known yet.

        None altogether: nothing is assigned yet.
        """
        with self._lock:
            self._lags = None if lags is None else dict(lags)

    def fail(self, reason: str) -> None:
        """Say that the worker has failed for good and is about to end."""
        with self._lock:
            self._failure = reason

    def alive(self) -> Answer:
        """Answer whether the worker should be left running."""
        with self._lock:
            return Answer(self._role, self._dead_because(), self._lag())

    def ready(self) -> Answer:
        """Answer whether the worker does its work and has caught up."""
        with self._lock:
            reason = self._dead_because() or self._late_because()
            return Answer(self._role, reason, self._lag())

    def _dead_because(self) -> str | None:
        if self._failure is not None:
            return self._failure
        silent = time.monotonic() - self._ticked
        return f"no sign of life for {silent:.0f} s" if silent > SILENCE_SECONDS else None

    def _late_because(self) -> str | None:
        if self._trouble is not None:
            return f"waiting: {self._trouble}"
        if self._lags is None:
            return "not assigned"
        lag = self._lag()
        if lag is None:
            return "catching up: lag not known yet"
        bound = max(SMALL_LAG, WORTH_SECONDS * self._speed)
        return f"catching up: lag {lag}" if lag > bound else None

    def _lag(self) -> int | None:
        known = [lag for lag in (self._lags or {}).values() if lag is not None]
        return sum(known) if self._lags is not None and len(known) == len(self._lags) else None
