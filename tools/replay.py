"""``tidecast replay``: forecast recorded logs, without a broker."""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from tidecast.state.errors import TidecastError
from tidecast.state.settings import Settings
from tidecast.streams.forecast import ForecastOutput
from tidecast.streams.logs import parse_log_specs
from tidecast.streams.replay import Replay
from tidecast.streams.sink import store_records
from tidecast.streams.store import Store, open_embedded, open_server
from tidecast.tools.context import SettingsFile, pass_settings_file
from tidecast.tools.tally import Tally, accuracy_table, counts_table

__all__ = ["Result", "replay", "run_replay"]

BLOCK_RECORDS = 20_000
REFRESH_SECONDS = 0.2


@dataclass(frozen=True)
class Result:
    """What a replay leaves behind for its closing table."""

    replay: Replay
    tally: Tally
    seconds: float

    def rows(self) -> list[tuple[str, str]]:
        """Return the counts, a (name, value) pair each."""
        counts = self.replay.counts
        rows = [
            ("events", f"{counts.events:,}"),
            ("accepted", f"{counts.accepted:,}"),
            ("late", f"{counts.late:,}"),
            ("refused", f"{counts.refused:,}"),
        ]
        rows += [(f"  {code}", f"{n:,}") for code, n in sorted(counts.reasons.items())]
        return [
            *rows,
            ("bins", f"{self.tally.bins:,}"),
            ("cells", f"{self.tally.cells:,}"),
            ("seconds", f"{self.seconds:.1f}"),
            ("events/s", f"{counts.events / max(self.seconds, 1e-9):,.0f}"),
        ]


class Writer:
    """Writes blocks of records to a store from a thread of its own; a full queue holds back.

    The store is opened here, not in the thread: importing chDB changes the working directory for
    a moment, under the feet of whoever opens a file.
    """

    def __init__(self, open_store: Callable[[], Store]) -> None:
        self._store = open_store()
        self._store.migrate()
        self._queue: queue.Queue[tuple[str, list[bytes]] | None] = queue.Queue(4)
        self._error: BaseException | None = None
        self._blocks: dict[str, list[bytes]] = {}
        self._thread = threading.Thread(target=self._run, name="store")
        self._thread.start()

    def add(self, table: str, record: bytes) -> None:
        """Gather a record for ``table``."""
        block = self._blocks.setdefault(table, [])
        block.append(record)
        if len(block) >= BLOCK_RECORDS:
            self._put((table, self._blocks.pop(table)))

    def close(self) -> None:
        """Write what is left and wait for it; raise what went wrong."""
        for block in self._blocks.items():
            self._put(block)
        self._put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _put(self, item: tuple[str, list[bytes]] | None) -> None:
        if self._error is None:
            self._queue.put(item)

    def _run(self) -> None:
        try:
            while (item := self._queue.get()) is not None:
                store_records(self._store, *item)
        except TidecastError as error:
            self._error = error
            while self._queue.get() is not None:  # whoever is putting must not wait for ever
                pass
        finally:
            self._store.close()


def run_replay(
    settings: Settings, replayed: Replay, open_store: Callable[[], Store], progress: Progress
) -> Result:
    """Replay into a store, showing progress; return the figures of the closing table."""
    output = ForecastOutput(settings)
    tables = {
        output.topics.predictions: "predictions",
        output.topics.windows: "actuals",
        output.topics.scores: "scores",
    }
    tally = Tally([series.name for series in settings.series])
    writer = Writer(open_store)
    started = time.perf_counter()
    try:
        for closed in _shown(replayed, progress):
            tally.bins += closed.slab.revision == 0
            tally.cells = len(closed.cells)
            if closed.scores is not None:
                tally.add(closed.scores)
            for topic, _, value in output.records(closed):
                writer.add(tables[topic], value)
    finally:
        writer.close()
    return Result(replayed, tally, time.perf_counter() - started)


def _shown(replayed: Replay, progress: Progress) -> Iterator:  # type: ignore[type-arg]
    task = progress.add_task("replay", total=replayed.total_bytes, rate="")
    started = shown = time.perf_counter()
    for closed in replayed.closed():
        now = time.perf_counter()
        if now - shown > REFRESH_SECONDS:
            shown = now
            rate = f"{replayed.counts.events / (now - started):,.0f} events/s"
            progress.update(task, completed=replayed.read_bytes, rate=rate)
        yield closed
    progress.update(task, completed=replayed.total_bytes)


def progress_bar() -> Progress:
    """Return the progress bar of a replay, on standard error."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %  {task.fields[rate]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=not sys.stderr.isatty(),
    )


@click.command()
@click.argument("logs", nargs=-1, required=True, metavar="LOG...")
@click.option(
    "--store",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("tidecast-store"),
    show_default=True,
    help="Folder of the embedded store.",
)
@click.option("--server", is_flag=True, help="Write to the ClickHouse server of the settings.")
@click.option("--partitions", type=click.IntRange(1), default=1, show_default=True)
@click.option("--key", help="Field that deals records out; default: the region's field.")
@click.option("--partition-field", help="Field that holds the recorded partition.")
@click.option("--report", type=click.Path(path_type=Path), help="Write an HTML page of pictures.")
@pass_settings_file
def replay(
    settings_file: SettingsFile,
    logs: Sequence[str],
    store: Path,
    server: bool,
    partitions: int,
    key: str | None,
    partition_field: str | None,
    report: Path | None,
) -> None:
    """Forecast recorded LOGs (NDJSON, plain, gzip or zstd, or Parquet), without a broker.

    A LOG is a path, or SOURCE=PATH where the file is not named after its source.
    """
    settings = settings_file.load()
    replayed = Replay(settings, parse_log_specs(logs, settings), partitions, key, partition_field)

    def open_store() -> Store:
        return open_server(settings.clickhouse) if server else open_embedded(store)

    with progress_bar() as progress:
        result = run_replay(settings, replayed, open_store, progress)
    console = Console()
    console.print(counts_table(result.rows()))
    console.print(accuracy_table(result.tally))
    if report is not None:
        _write_report(settings, result, open_store, report)
    if not server:
        click.echo(f'\nstored in {store}; ask it: tidecast query --store {store} "SELECT ..."')


def _write_report(
    settings: Settings, result: Result, open_store: Callable[[], Store], path: Path
) -> None:
    from tidecast.tools.report import write_report  # the extra "report"

    store = open_store()
    try:
        write_report(store, settings, path, path.stem, dict(result.rows()))
    finally:
        store.close()
    click.echo(f"wrote {path}")
