"""Pacing recorded events."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tidecast.state.settings import SourceSettings, StreamKind
from tidecast.streams.feed import paced
from tidecast.streams.logs import LogSpec, Piece

SPEC = LogSpec(SourceSettings(name="c", topic="c", stream=StreamKind.CLICK), Path("c"))


class FakeTime:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.seconds += seconds


def piece(*seconds: float) -> Piece:
    clock = np.array([1_700_000_000_000_000 + second * 1e6 for second in seconds], dtype=np.int64)
    return Piece(SPEC, [b"%d" % second for second in seconds], clock, clock)


def played(pieces: list[Piece], speed: float) -> list[tuple[bytes, float]]:
    """Return (record, seconds after the start) of each record."""
    time = FakeTime()
    return [
        (record, time.seconds - 1_000)
        for part in paced(pieces, speed, time.now, time.sleep)
        for record in part.records
    ]


def test_records_come_when_they_are_due() -> None:
    times = [0.0, 1.0, 1.0, 7.0, 60.0]
    for speed in (0.5, 1.0, 10.0):
        result = played([piece(*times[:3]), piece(*times[3:])], speed)
        assert [record for record, _ in result] == [b"0", b"1", b"1", b"7", b"60"]
        due = [time / speed for time in times]
        late = [at - then for (_, at), then in zip(result, due, strict=True)]
        assert min(late) >= -1e-5
        assert max(late) <= 0.05 + 1e-5


def test_the_first_record_is_due_at_once() -> None:
    assert played([piece(86_400)], 1.0) == [(b"86400", 0.0)]


def test_records_without_any_time_do_not_wait() -> None:
    undated = Piece(SPEC, [b"x"], np.zeros(1, np.int64), np.zeros(1, np.int64))
    assert played([undated, piece(0)], 1.0) == [(b"x", 0.0), (b"0", 0.0)]
