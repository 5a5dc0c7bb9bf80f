"""``tidecast worker``: the live workers, each a Faust worker process of one role."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click

from tidecast.state.errors import ServiceError
from tidecast.state.settings import Settings
from tidecast.tools.context import SettingsFile, pass_settings_file

__all__ = ["worker"]

logger = logging.getLogger(__name__)
ALL = ("ingest", "forecast", "sink")
STOP_SECONDS = 15.0


@click.command()
@click.argument("role", type=click.Choice([*ALL, "all"]))
@click.option(
    "--slot",
    help="A stable name of this worker among its role's: restarts under the same name do not "
    "disturb the others.",
)
@pass_settings_file
def worker(settings_file: SettingsFile, role: str, slot: str | None) -> None:
    """Run the live workers of a ROLE until stopped; "all" runs one of each.

    \b
    ingest    events in, cuts out; as many workers as the busiest topic has partitions
    forecast  cuts in; windows, predictions and scores out
    sink      predictions, actuals and scores into ClickHouse
    """
    settings = settings_file.load()
    _check(settings, role)
    if role == "all":
        sys.exit(_run_all(settings_file.path, slot))
    _run(settings, role, slot)


def _check(settings: Settings, role: str) -> None:
    """Raise ``ServiceError`` now, in one sentence, for what the worker would die of later."""
    from tidecast.streams.store import open_server
    from tidecast.streams.topics import describe_topics, plan_topics

    for report in describe_topics(settings.kafka, plan_topics(settings, 1)):
        if not report.partitions:
            raise ServiceError(
                f"topic {report.name} does not exist on {settings.kafka.bootstrap}: "
                "make it with `tidecast topics create`"
            )
    if role in ("sink", "all"):
        store = open_server(settings.clickhouse)
        store.migrate()
        store.close()


def _run(settings: Settings, role: str, slot: str | None) -> None:
    import faust

    from tidecast.streams.app import make_app
    from tidecast.streams.metrics import serve_metrics

    serve_metrics(settings.metrics)
    app = make_app(settings, role, slot)
    level = logging.getLogger().getEffectiveLevel()
    running = faust.Worker(
        app, loglevel=logging.getLevelName(level), redirect_stdouts=False, quiet=True
    )
    try:
        running.execute_from_commandline()
    except SystemExit:
        if app.failure is not None:
            raise app.failure from None
        raise


def _run_all(settings: Path, slot: str | None) -> int:
    """Run a process a role; when one ends, end the others and return its exit code."""
    options = [] if slot is None else ["--slot", slot]
    command = [sys.executable, "-m", "tidecast.tools.main", "--settings", str(settings), "worker"]
    processes = [subprocess.Popen([*command, role, *options]) for role in ALL]

    def stop(*_: object) -> None:
        for process in processes:
            if process.poll() is None:
                process.terminate()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    while all(process.poll() is None for process in processes):
        time.sleep(0.2)
    code = next(p.returncode for p in processes if p.returncode is not None)
    stop()
    deadline = time.monotonic() + STOP_SECONDS
    for process in processes:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
    return code
