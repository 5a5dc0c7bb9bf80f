"""The gate: one record dated far ahead moves nobody's time; a real gap passes."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidecast.state.checkpoint import Arrays

__all__ = ["CONFIRMATIONS", "Gate", "Held"]

CONFIRMATIONS = 5
"""How many records must agree, or disagree, with one that jumped."""


@dataclass(frozen=True)
class Held:
    """A valid record, apart from its batch."""

    offset: int
    time: int
    cell: int
    terms: NDArray[np.int64]
    raw: bytes


class Gate:
    """Holds back records that would move time by more than ``max_gap`` microseconds.

    A held record acts once CONFIRMATIONS later ones in a row have jumped as far; it is refused
    once as many have not. The first records of a partition are held in the same way.

    ``high`` is the largest event time that was let through, None before there is one.
    """

    def __init__(self, max_gap: int) -> None:
        self.max_gap = max_gap
        self.high: int | None = None
        self.held: list[Held] = []
        self.agreed = 0
        self.disagreed = 0

    def free_run(self, times: NDArray[np.int64]) -> int:
        """Let through, and count, the leading ``times`` that need no holding."""
        if self.held or self.high is None or not len(times):
            return 0
        highs = np.maximum.accumulate(np.concatenate(([self.high], times)))
        jumps = times - highs[:-1] > self.max_gap
        free = int(jumps.argmax()) if jumps.any() else len(times)
        self.high = int(highs[free])
        return free

    def offer(self, record: Held) -> list[tuple[Held, bool]]:
        """Return what ``record`` decides, in the order of acting: (record, acts or is refused)."""
        decided: list[tuple[Held, bool]] = []
        queue = deque([record])
        while queue:
            record = queue.popleft()
            if not self.held and self._jumps(record):
                self.held, self.agreed, self.disagreed = [record], 0, 0
                continue
            if self.held:
                self._count(record)
            if self._jumps(record):
                self.held.append(record)
            else:
                decided.append(self._act(record))
            if self.held and CONFIRMATIONS in (self.agreed, self.disagreed):
                head, *others = self.held
                self.held = []
                accepted = self.agreed == CONFIRMATIONS
                decided.append(self._act(head) if accepted else (head, False))
                queue.extendleft(reversed(others))
        return decided

    def finish(self) -> list[tuple[Held, bool]]:
        """Return the verdict on all that is held when the log ends.

        Unconfirmed jumps are refused; in a log too short to know its time, those beyond the
        median are.
        """
        held, self.held = self.held, []
        if self.high is not None:
            return [(record, False) for record in held]
        times = sorted(record.time for record in held)
        limit = times[(len(times) - 1) // 2] + self.max_gap if times else 0
        return [self._act(r) if r.time <= limit else (r, False) for r in held]

    def _jumps(self, record: Held) -> bool:
        return self.high is None or record.time - self.high > self.max_gap

    def _count(self, record: Held) -> None:
        if self._jumps(record) and record.time >= self.held[0].time - self.max_gap:
            self.agreed += 1
        else:
            self.agreed = 0
            self.disagreed += 1

    def _act(self, record: Held) -> tuple[Held, bool]:
        self.high = record.time if self.high is None else max(self.high, record.time)
        return record, True

    def snapshot(self) -> tuple[dict[str, Any], Arrays]:
        """Return what ``restore`` needs: plain values, and the held records as arrays."""
        values = {"high": self.high, "agreed": self.agreed, "disagreed": self.disagreed}
        raw = [np.frombuffer(record.raw, np.uint8) for record in self.held]
        if not raw:
            return values, {}
        return values, {
            "offset": np.array([record.offset for record in self.held]),
            "time": np.array([record.time for record in self.held]),
            "cell": np.array([record.cell for record in self.held]),
            "terms": np.stack([record.terms for record in self.held]),
            "size": np.array([len(part) for part in raw]),
            "raw": np.concatenate(raw),
        }

    def restore(self, values: dict[str, Any], arrays: Arrays) -> None:
        """Become the gate that ``snapshot`` was taken of."""
        self.high, self.agreed = values["high"], values["agreed"]
        self.disagreed = values["disagreed"]
        ends = np.cumsum(arrays["size"]) if arrays else np.zeros(0, np.int64)
        self.held = [
            Held(
                int(arrays["offset"][n]),
                int(arrays["time"][n]),
                int(arrays["cell"][n]),
                arrays["terms"][n],
                arrays["raw"][end - arrays["size"][n] : end].tobytes(),
            )
            for n, end in enumerate(ends)
        ]
