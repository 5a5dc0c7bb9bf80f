"""Merge logs by event time, in pieces of consecutive records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidecast.streams.logs.parse import Record, event_time_reader, parse_records
from tidecast.streams.logs.read import LogReader
from tidecast.streams.logs.spec import LogSpec

__all__ = ["Piece", "TimedLog", "merge"]

Times = NDArray[np.int64]


@dataclass(frozen=True)
class Piece:
    """Consecutive records of one log.

    ``times`` are event times in microseconds UTC (the record before's, where a record tells
    none); ``clock`` is how far the log had come at each record: it never runs backwards, and
    a few mistaken times do not move it.
    """

    spec: LogSpec
    records: list[bytes]
    times: Times
    clock: Times

    def cut(self, count: int) -> tuple[Piece, Piece]:
        """Return the first ``count`` records and the rest."""
        return self._part(slice(count)), self._part(slice(count, None))

    def _part(self, part: slice) -> Piece:
        return Piece(self.spec, self.records[part], self.times[part], self.clock[part])


class TimedLog:
    """A log read with event times, to merge and pace it; sums never come from these.

    Parameters
    ----------
    spec
        The log.
    stride
        Date every so-manieth record; those between have the time of the one before. Merging
        needs no more than a date now and then; record timestamps need each one.
    """

    def __init__(self, spec: LogSpec, stride: int = 1) -> None:
        self.spec = spec
        self.reader = LogReader(spec.path)
        self._stride = stride
        self._field = spec.source.field("event_time")
        self._read_time = event_time_reader(spec.source.time)
        self._last_time = 0
        self._last_clock = 0

    def __iter__(self) -> Iterator[Piece]:
        for records in self.reader:
            times = self._date(records)
            clock = np.maximum(np.maximum.accumulate(_calm(times)), self._last_clock)
            self._last_clock = int(clock[-1])
            count = len(records)
            yield Piece(self.spec, records, self._spread(times, count), self._spread(clock, count))

    def _date(self, records: Sequence[bytes]) -> Times:
        """Return the times of every ``stride``-th record."""
        times = [self._time(record) for record in parse_records(records[:: self._stride])]
        if not self._last_time:  # what comes before the first time has that time
            self._last_time = next((time for time in times if time is not None), 0)
        dated = np.empty(len(times), dtype=np.int64)
        for row, time in enumerate(times):
            self._last_time = dated[row] = self._last_time if time is None else time
        return dated

    def _time(self, record: Record | None) -> int | None:
        return None if record is None else self._read_time(record.get(self._field))

    def _spread(self, values: Times, count: int) -> Times:
        return values if self._stride == 1 else values.repeat(self._stride)[:count]


def _calm(times: Times) -> Times:
    """Return running medians of five: up to two wrong times among them leave no trace."""
    padded = np.pad(times, 2, mode="reflect" if len(times) > 2 else "edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 5)
    return np.asarray(np.partition(windows, 2, axis=1)[:, 2])


def merge(logs: Sequence[Iterable[Piece]], tick: int) -> Iterator[Piece]:
    """Yield the pieces of all logs by their clocks, never more than ``tick`` ahead of another.

    Within a log the order stays as recorded. A larger tick (microseconds of event time) gives
    larger pieces.
    """
    rests = [iter(log) for log in logs]
    heads: dict[int, Piece] = {}
    for number, rest in enumerate(rests):
        if piece := next(rest, None):
            heads[number] = piece
    while heads:
        number = min(heads, key=lambda n: (int(heads[n].clock[0]), n))
        others = [int(head.clock[0]) for n, head in heads.items() if n != number]
        ready = heads[number]
        if others:
            count = int(np.searchsorted(ready.clock, min(others) + tick, side="right"))
            ready, later = ready.cut(count)
            if later.records:
                heads[number] = later
                yield ready
                continue
        yield ready
        if piece := next(rests[number], None):
            heads[number] = piece
        else:
            del heads[number]
