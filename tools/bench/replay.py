"""``tidecast bench replay``: the embedded path, JSON to slabs, without and with forecasts."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import click
from rich.table import Table

from tidecast.state.errors import TidecastError
from tidecast.tools.bench.contenders.job import Report
from tidecast.tools.bench.options import sizes
from tidecast.tools.bench.records import BenchRecords
from tidecast.tools.console import open_console

__all__ = ["ReplayRun", "measure", "replay", "write_log"]


@dataclass(frozen=True)
class ReplayRun:
    """What replays of one log took: the median time, the largest memory."""

    events: int
    forecasts: bool
    seconds: float
    events_per_second: float
    peak_mib: float


@click.command()
@click.option(
    "--events",
    default="1000000,5000000",
    show_default=True,
    callback=sizes,
    help="Sizes of the logs, joined by commas.",
)
@click.option("--runs", default=3, show_default=True, type=click.IntRange(min=1))
@click.option("--forecasts/--no-forecasts", default=True, help="Measure with forecasts as well.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def replay(events: list[int], runs: int, forecasts: bool, as_json: bool) -> None:
    """Measure the replay of logs of 169-byte events: one-minute bins, 10,000 cells, 2 series.

    Once without forecasts, JSON to slabs, and once with them (one run). Each replay has a process
    of its own, whose peak memory is told: it must not grow with the number of events.
    """
    found = []
    with tempfile.TemporaryDirectory(prefix="tidecast-bench-") as folder:
        for count in events:
            click.echo(f"writing a log of {count:,} events", err=True)
            log = Path(folder) / f"clicks-{count}.ndjson"
            write_log(log, count)
            found.append(measure(log, count, False, runs))
            if forecasts:
                found.append(measure(log, count, True, 1))
            log.unlink()
    if as_json:
        click.echo(json.dumps({"runs": [asdict(run) for run in found]}))
    else:
        open_console().print(_table(found))


def write_log(path: Path, count: int) -> None:
    """Write ``count`` events as lines of JSON."""
    with path.open("wb") as file:
        file.writelines(value + b"\n" for value in BenchRecords.draw(count).values())


def measure(log: Path, events: int, forecasts: bool, runs: int) -> ReplayRun:
    """Replay a log ``runs`` times, each in its own process.

    Raises
    ------
    TidecastError
        When a replay breaks down.
    """
    what = "forecasts" if forecasts else "slabs"
    reports = []
    for _ in range(runs):
        click.echo(f"replaying {events:,} events to {what}", err=True)
        command = [sys.executable, "-m", "tidecast.tools.bench.replay_run", str(log), what]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise TidecastError(f"the replay to {what} broke down: {done.stderr.strip()[-500:]}")
        reports.append(Report(**json.loads(done.stdout)))
    seconds = median(report.ended - report.began for report in reports)
    peak = max(report.peak_mib for report in reports)
    return ReplayRun(events, forecasts, seconds, events / seconds, peak)


def _table(runs: list[ReplayRun]) -> Table:
    shown = Table(title="Replay, JSON to slabs of 10,000 cells x 2 series")
    for heading in ("events", "forecasts", "seconds", "events/s", "peak MiB"):
        shown.add_column(heading, justify="right")
    for run in runs:
        shown.add_row(
            f"{run.events:,}",
            "yes" if run.forecasts else "no",
            f"{run.seconds:.1f}",
            f"{run.events_per_second:,.0f}",
            f"{run.peak_mib:.0f}",
        )
    return shown
