"""``tidecast worker``: the live workers, each a Faust worker process of one role."""

from __future__ import annotations

import logging
import sys

import click

from tidecast.state.errors import ServiceError, StoreAwayError
from tidecast.state.settings import Settings
from tidecast.tools.context import SettingsFile, pass_settings_file
from tidecast.tools.crew import ROLES, Crew, stop_with

__all__ = ["worker"]

logger = logging.getLogger(__name__)


@click.command()
@click.argument("role", type=click.Choice([*ROLES, "all"]))
@click.option(
    "--slot",
    help="A stable name of this worker among its role's: restarts under the same name do not "
    "disturb the others.",
)
@click.option("--lifeline", type=int, hidden=True)
@pass_settings_file
def worker(settings_file: SettingsFile, role: str, slot: str | None, lifeline: int | None) -> None:
    """Run the live workers of a ROLE until stopped; "all" runs one of each.

    \b
    ingest    events in, cuts out; as many workers as the busiest topic has partitions
    forecast  cuts in; windows, predictions and scores out
    sink      predictions, actuals and scores into ClickHouse
    """
    if lifeline is not None:
        stop_with(lifeline)
    settings = settings_file.load()
    _check(settings, role)
    if role == "all":
        sys.exit(Crew(settings_file.path, slot, settings.metrics.port).run())
    _run(settings, role, slot)


def _check(settings: Settings, role: str) -> None:
    """Raise ``ServiceError`` now, in one sentence, for what the worker would die of later.

    A store that is merely away is waited for.
    """
    from tidecast.streams.topics import describe_topics, plan_topics

    for report in describe_topics(settings.kafka, plan_topics(settings, 1)):
        if not report.partitions:
            raise ServiceError(
                f"topic {report.name} does not exist on {settings.kafka.bootstrap}: "
                "make it with `tidecast topics create`"
            )
    if role in ("sink", "all"):
        from tidecast.streams.store import open_server

        try:
            store = open_server(settings.clickhouse)
            store.migrate()
            store.close()
        except StoreAwayError as error:
            logger.warning("the sink will wait: %s", error)


def _run(settings: Settings, role: str, slot: str | None) -> None:
    from tidecast.streams.app import make_app
    from tidecast.streams.probes import serve_probes
    from tidecast.streams.running import run_worker

    app = make_app(settings, role, slot)
    serve_probes(settings.metrics, app.shell.health)
    run_worker(app)
