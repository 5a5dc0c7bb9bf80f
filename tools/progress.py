"""How far a piece of work is, how many events, how fast: a bar on stderr, in a log lines."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from tidecast.streams.replay import Reading

__all__ = ["Lines", "count_progress", "log_progress"]

SECONDS_A_LINE = 30.0
LINES_OF_PACE = 10


class CountColumn(ProgressColumn):
    """What is done so far, and how much of it a second of the whole run."""

    def __init__(self, what: str = "events", before: int = 0) -> None:
        super().__init__()
        self._what, self._before = what, before

    def render(self, task: Task) -> Text:
        """Write both figures."""
        events = task.fields["events"]
        rate = (events - self._before) / task.elapsed if task.elapsed else 0.0
        return Text(f"{events:,} {self._what}  {rate:,.0f}/s")


class DoingColumn(ProgressColumn):
    """What is waited for."""

    def __init__(self, doing: Callable[[], str]) -> None:
        super().__init__()
        self._doing = doing

    def render(self, task: Task) -> Text:
        """Write it, as it is now."""
        return Text(self._doing())


@contextmanager
def log_progress(title: str, readers: Sequence[Reading]) -> Iterator[Callable[[int], None]]:
    """Show how far ``readers`` have come; the function given is told of events done."""
    columns = (TextColumn("{task.description}"), BarColumn(), CountColumn(), TimeRemainingColumn())
    total = sum(reader.total_bytes for reader in readers)
    with _shown(title, total, "events", columns) as show:
        events = 0

        def advance(count: int) -> None:
            nonlocal events
            events += count
            show(sum(reader.read_bytes for reader in readers), events)

        yield advance


@contextmanager
def count_progress(
    title: str,
    total: int | None,
    what: str = "events",
    doing: Callable[[], str] = str,
    before: int = 0,
) -> Iterator[Callable[[int], None]]:
    """Show how many of a ``total`` of ``what`` are done; the function given is told of each piece.

    A ``total`` of None is not known. ``doing`` tells what is waited for, ever again. So many as
    ``before`` were done by an earlier run: they took no time of this one.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        CountColumn(what, before),
        TimeRemainingColumn(),
        DoingColumn(doing),
    )
    with _shown(title, total, what, columns, before) as show:
        done = before

        def advance(count: int) -> None:
            nonlocal done
            done += count
            show(done, done)

        yield advance


@contextmanager
def _shown(
    title: str, total: int | None, what: str, columns: Sequence[ProgressColumn], before: int = 0
) -> Iterator[Callable[[int, int], None]]:
    """Show what the function given is told: how much of ``total``, and how many of ``what``.

    A bar of ``columns``; where stderr is no terminal, lines.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines(title, total, what, before).show
        return
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(title, total=total, completed=before, events=before)
        yield lambda done, events: progress.update(task, completed=done, events=events)


class Lines:
    """Progress for a log: a line every half minute, so that short work writes none.

    Rate and time left are by the pace of the last five minutes: a backtest slows down when peers
    join it. What was done ``before``, by an earlier run, is no part of it.
    """

    def __init__(
        self,
        title: str,
        total: int | None,
        what: str,
        before: int = 0,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._title, self._total, self._what = title, total, what
        self._clock = clock
        self._written = deque([(clock(), before, before)], maxlen=LINES_OF_PACE)

    def show(self, done: int, events: int) -> None:
        """Write that ``done`` of the total, and so many ``events``, are done, if it is time."""
        now = self._clock()
        if now - self._written[-1][0] < SECONDS_A_LINE:
            return
        then, done_then, events_then = self._written[0]
        self._written.append((now, done, events))
        seconds, rate = now - then, (events - events_then) / (now - then)
        parts = [f"{events:,} {self._what}", *([f"{rate:,.0f}/s"] if rate >= 1.0 else [])]
        if self._total and (fresh := done - done_then):
            left = timedelta(seconds=round(seconds * max(self._total - done, 0) / fresh))
            parts = [f"{done / self._total:.0%}", *parts, f"{left} left"]
        print(f"{self._title}: {', '.join(parts)}", file=sys.stderr, flush=True)
