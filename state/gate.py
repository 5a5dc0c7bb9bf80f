"""The gate: records dated far ahead move nobody's time; a real gap passes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidecast.state.checkpoint import Arrays
from tidecast.state.rows import CONFIRMATIONS, Rows, Usual

__all__ = ["HELD_BYTES", "HELD_RECORDS", "Gate", "Held"]

HELD_RECORDS = 10_000
"""How many records are held at most; then those that agree are believed without more ado."""

HELD_BYTES = 16 * 2**20
"""The bytes that the held records have at most."""

NEVER = 2**62

Decided = list[tuple["Held", bool]]


@dataclass(frozen=True)
class Held:
    """A valid record, apart from its batch; ``event_id`` is 0 where it has none."""

    offset: int
    time: int
    cell: int
    terms: NDArray[np.int64]
    raw: bytes
    event_id: int = 0


@dataclass(frozen=True)
class Doubt:
    """A held record, and how many witnesses of the old time there had been before it."""

    record: Held
    witnessed: int


class Gate:
    """Holds back records that would move time by more than ``max_gap`` microseconds.

    They act once the records after them agree in a row that time has moved so far, and the row is
    like what the partition usually has (see ``Rows``). A *witness*, a record that is on time for
    the time before the jump, breaks the row; CONFIRMATIONS witnesses in all refuse what was held
    before them. Records behind the watermark (``max_disorder``) tell nothing of the time. The first
    records of a partition are held until they span ``width`` microseconds.

    ``high`` is the largest event time that was let through, None before there is one.
    """

    def __init__(self, max_gap: int, max_disorder: int, width: int) -> None:
        self.max_gap = max_gap
        self.max_disorder = max_disorder
        self.high: int | None = None
        self.witnesses = 0
        self._width = width
        self._passed = 0
        self._first = 0  # the time of the first that passed
        self._rows = Rows(max_gap, width)
        self._held: deque[Doubt] = deque()
        self._bytes = 0
        self._nearest = NEVER

    @property
    def held(self) -> list[Held]:
        """The records that wait for a verdict, in offset order."""
        return [doubt.record for doubt in self._held]

    def free_run(self, times: NDArray[np.int64]) -> int:
        """Let through, and count, the leading ``times`` that need no holding."""
        if self._held or self.high is None or not len(times):
            return 0
        highs = np.maximum.accumulate(np.concatenate(([self.high], times)))
        jumps = times - highs[:-1] > self.max_gap
        free = int(jumps.argmax()) if jumps.any() else len(times)
        self.high = int(highs[free])
        self._passed += free
        return free

    def offer(self, record: Held) -> Decided:
        """Return what ``record`` decides, in the order of acting: (record, acts or is refused)."""
        if not self._jumps(record.time):
            return self._pass(record)
        self._hold(record)
        self._rows.hear(record.time)
        decided: Decided = []
        while (row := self._rows.confirmed(self._usual())) is not None:
            decided += self._believe(row.high)
        while self._is_full():
            decided += self._make_room()
        return decided

    def finish(self) -> Decided:
        """Return the verdict on all that is held when the log ends.

        A jump with CONFIRMATIONS records after it that agree in a row to the very end is believed.
        A log too short to know its time has that of its median.
        """
        decided: Decided = []
        if self.high is None and self._held:
            times = sorted(doubt.record.time for doubt in self._held)
            decided += self._believe(times[(len(times) - 1) // 2])
        while (row := self._rows.agreed()) is not None:
            decided += self._believe(row.high)
        decided += [(record, False) for record in self.held]
        self._rows.clear()
        self._keep(())
        return decided

    def _usual(self) -> Usual | None:
        if not self._passed or self.high is None:
            return None
        return Usual(self._passed, max(self.high - self._first, self._width))

    def _jumps(self, time: int) -> bool:
        return self.high is None or time - self.high > self.max_gap

    def _hold(self, record: Held) -> None:
        self._held.append(Doubt(record, self.witnesses))
        self._bytes += len(record.raw)
        self._nearest = min(self._nearest, record.time)

    def _keep(self, doubts: Iterable[Doubt]) -> None:
        """Hold these from now on."""
        self._held = deque(doubts)
        self._bytes = sum(len(doubt.record.raw) for doubt in self._held)
        self._nearest = min((doubt.record.time for doubt in self._held), default=NEVER)

    def _pass(self, record: Held) -> Decided:
        """Let a record act that does not jump, and hear what it says about those that did."""
        decided = [self._act(record)]
        if self._held and self.high is not None and record.time >= self.high - self.max_disorder:
            self.witnesses += 1
            self._rows.clear()
            decided += self._refuse(lambda d: self.witnesses - d.witnessed >= CONFIRMATIONS)
        return decided + self._release()

    def _refuse(self, is_refused: Callable[[Doubt], bool]) -> Decided:
        """Refuse the oldest of what is held, as long as they are to be."""
        refused: Decided = []
        while self._held and is_refused(self._held[0]):
            refused.append((self._held.popleft().record, False))
        if refused:
            self._keep(self._held)
        return refused

    def _believe(self, time: int) -> Decided:
        """Take it that time has come to ``time``."""
        self.high = time if self.high is None else max(self.high, time)
        released = self._release()
        self._rows.drop_up_to(self.high + self.max_gap)
        return released

    def _release(self) -> Decided:
        """Let all act that jump no more, each time in offset order: those that act move time."""
        released: Decided = []
        while self._held and not self._jumps(self._nearest):
            ready = [not self._jumps(doubt.record.time) for doubt in self._held]
            pairs = list(zip(self._held, ready, strict=True))
            self._keep(doubt for doubt, is_ready in pairs if not is_ready)
            released += [self._act(doubt.record) for doubt, is_ready in pairs if is_ready]
        return released

    def _act(self, record: Held) -> tuple[Held, bool]:
        self._first = self._first if self._passed else record.time
        self._passed += 1
        self.high = record.time if self.high is None else max(self.high, record.time)
        return record, True

    def _is_full(self) -> bool:
        return len(self._held) > HELD_RECORDS or self._bytes > HELD_BYTES

    def _make_room(self) -> Decided:
        """Refuse what had witnesses against it; else believe the nearest time agreed to."""
        if self._held[0].witnessed < self.witnesses:
            return self._refuse(lambda doubt: doubt.witnessed < self.witnesses)
        if (row := self._rows.agreed()) is not None:
            return self._believe(row.high)
        oldest = self._held[0]
        return self._refuse(lambda doubt: doubt is oldest)

    def snapshot(self) -> tuple[dict[str, Any], Arrays]:
        """Return what ``restore`` needs: plain values, and the held records as arrays."""
        values = {
            "high": self.high,
            "witnesses": self.witnesses,
            "passed": self._passed,
            "first": self._first,
            "rows": self._rows.snapshot(),
        }
        if not self._held:
            return values, {}
        records = self.held
        raw = [np.frombuffer(record.raw, np.uint8) for record in records]
        return values, {
            "witnessed": np.array([doubt.witnessed for doubt in self._held]),
            "offset": np.array([record.offset for record in records]),
            "time": np.array([record.time for record in records]),
            "cell": np.array([record.cell for record in records]),
            "terms": np.stack([record.terms for record in records]),
            "event_id": np.array([record.event_id for record in records], np.uint64),
            "size": np.array([len(part) for part in raw]),
            "raw": np.concatenate(raw),
        }

    def restore(self, values: dict[str, Any], arrays: Arrays) -> None:
        """Become the gate that ``snapshot`` was taken of."""
        self.high, self.witnesses = values["high"], values["witnesses"]
        self._passed = values.get("passed", 0)  # once a gate did not count
        self._first = values.get("first", self.high or 0)
        self._rows.restore(values["rows"])
        ends = np.cumsum(arrays["size"]) if arrays else np.zeros(0, np.int64)
        self._keep(
            Doubt(
                Held(
                    int(arrays["offset"][n]),
                    int(arrays["time"][n]),
                    int(arrays["cell"][n]),
                    arrays["terms"][n],
                    arrays["raw"][end - arrays["size"][n] : end].tobytes(),
                    int(arrays["event_id"][n]),
                ),
                int(arrays["witnessed"][n]),
            )
            for n, end in enumerate(ends)
        )
