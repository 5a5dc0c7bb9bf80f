"""The gate: one record dated far ahead moves nobody's time; a real gap passes."""

from __future__ import annotations

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


@dataclass(eq=False)
class Doubt:
    """A held record, and how many later ones in a row agree, and how many in all disagree."""

    record: Held
    agreed: int = 0
    disagreed: int = 0

    def hear(self, agrees: bool) -> None:
        """Count one later record."""
        self.agreed = self.agreed + 1 if agrees else 0
        self.disagreed += not agrees


class Gate:
    """Holds back records that would move time by more than ``max_gap`` microseconds.

    A held record acts once CONFIRMATIONS later ones in a row have jumped as far; it is refused
    once as many in all have not. The first records of a partition are held in the same way. Each
    held record is judged by those that came after it, so that no more than a few can be held.

    ``high`` is the largest event time that was let through, None before there is one.
    """

    def __init__(self, max_gap: int) -> None:
        self.max_gap = max_gap
        self.high: int | None = None
        self.held: list[Doubt] = []

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
        jumps = self._jumps(record)
        for doubt in self.held:
            doubt.hear(jumps and record.time >= doubt.record.time - self.max_gap)
        self.held.append(Doubt(record))
        decided = []
        while (ripe := next(filter(self._is_ripe, self.held), None)) is not None:
            self.held.remove(ripe)
            decided.append(self._judge(ripe))
        return decided

    def finish(self) -> list[tuple[Held, bool]]:
        """Return the verdict on all that is held when the log ends.

        Unconfirmed jumps are refused; in a log too short to know its time, those beyond the
        median are.
        """
        held, self.held = [doubt.record for doubt in self.held], []
        if self.high is not None:
            return [(record, False) for record in held]
        times = sorted(record.time for record in held)
        limit = times[(len(times) - 1) // 2] + self.max_gap if times else 0
        return [self._act(r) if r.time <= limit else (r, False) for r in held]

    def _jumps(self, record: Held) -> bool:
        return self.high is None or record.time - self.high > self.max_gap

    def _is_ripe(self, doubt: Doubt) -> bool:
        return not self._jumps(doubt.record) or CONFIRMATIONS in (doubt.agreed, doubt.disagreed)

    def _judge(self, doubt: Doubt) -> tuple[Held, bool]:
        if self._jumps(doubt.record) and doubt.agreed < CONFIRMATIONS:
            return doubt.record, False
        return self._act(doubt.record)

    def _act(self, record: Held) -> tuple[Held, bool]:
        self.high = record.time if self.high is None else max(self.high, record.time)
        return record, True

    def snapshot(self) -> tuple[dict[str, Any], Arrays]:
        """Return what ``restore`` needs: plain values, and the held records as arrays."""
        values = {"high": self.high}
        if not self.held:
            return values, {}
        records = [doubt.record for doubt in self.held]
        raw = [np.frombuffer(record.raw, np.uint8) for record in records]
        return values, {
            "agreed": np.array([doubt.agreed for doubt in self.held]),
            "disagreed": np.array([doubt.disagreed for doubt in self.held]),
            "offset": np.array([record.offset for record in records]),
            "time": np.array([record.time for record in records]),
            "cell": np.array([record.cell for record in records]),
            "terms": np.stack([record.terms for record in records]),
            "size": np.array([len(part) for part in raw]),
            "raw": np.concatenate(raw),
        }

    def restore(self, values: dict[str, Any], arrays: Arrays) -> None:
        """Become the gate that ``snapshot`` was taken of."""
        self.high = values["high"]
        ends = np.cumsum(arrays["size"]) if arrays else np.zeros(0, np.int64)
        self.held = [
            Doubt(
                Held(
                    int(arrays["offset"][n]),
                    int(arrays["time"][n]),
                    int(arrays["cell"][n]),
                    arrays["terms"][n],
                    arrays["raw"][end - arrays["size"][n] : end].tobytes(),
                ),
                int(arrays["agreed"][n]),
                int(arrays["disagreed"][n]),
            )
            for n, end in enumerate(ends)
        ]
