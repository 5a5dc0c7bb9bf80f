"""A progress bar for the reading of logs, on stderr: how far, how many events, how fast."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from tidecast.streams.replay import Reading

__all__ = ["count_progress", "log_progress"]


class CountColumn(ProgressColumn):
    """What is done so far, and how much of it a second of the whole run."""

    def __init__(self, what: str = "events") -> None:
        super().__init__()
        self._what = what

    def render(self, task: Task) -> Text:
        """Write both figures."""
        events = task.fields["events"]
        rate = events / task.elapsed if task.elapsed else 0.0
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
    """Show how far ``readers`` have come; the function given is told of events done.

    Nothing is shown where stderr is no terminal.
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), CountColumn(), TimeRemainingColumn())
    total = sum(reader.total_bytes for reader in readers)
    events = 0
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=total, events=0)

        def advance(count: int) -> None:
            nonlocal events
            events += count
            done = sum(reader.read_bytes for reader in readers)
            progress.update(task, completed=done, events=events)

        yield advance


@contextmanager
def count_progress(
    title: str,
    total: int | None,
    what: str = "events",
    doing: Callable[[], str] = str,
) -> Iterator[Callable[[int], None]]:
    """Show how many of a ``total`` of ``what`` are done; the function given is told of each piece.

    A ``total`` of None is not known. ``doing`` tells what is waited for, ever again. Nothing is
    shown where stderr is no terminal.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        CountColumn(what),
        TimeRemainingColumn(),
        DoingColumn(doing),
    )
    done = 0
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=total, events=0)

        def advance(count: int) -> None:
            nonlocal done
            done += count
            progress.update(task, completed=done, events=done)

        yield advance
