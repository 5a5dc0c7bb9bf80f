"""``tidecast replay``: forecast recorded logs, without a broker."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from tidecast.state.settings import Settings
from tidecast.streams.logs import parse_log_specs
from tidecast.streams.replay import Replay
from tidecast.streams.store import Store, open_embedded, open_server
from tidecast.tools.context import SettingsFile, pass_settings_file
from tidecast.tools.run import Result, run_replay

__all__ = ["replay"]


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
@click.option(
    "--into-checkpoint", is_flag=True, help="Let the live forecaster begin with what was learnt."
)
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
    into_checkpoint: bool,
) -> None:
    """Forecast recorded LOGs (NDJSON, plain, gzip or zstd, or Parquet), without a broker.

    A LOG is a path, or SOURCE=PATH where the file is not named after its source.
    """
    settings = settings_file.load()
    if into_checkpoint:
        _refuse_begun(settings)
    replayed = Replay(settings, parse_log_specs(logs, settings), partitions, key, partition_field)

    kept = open_server(settings.clickhouse) if server else open_embedded(store)
    try:
        kept.migrate()
        result = run_replay(settings, replayed, kept)
        result.show()
        if report is not None:
            _write_report(kept, settings, report, result)
        if into_checkpoint:
            _begin_live(settings, replayed)
    finally:
        kept.close()
    if not server:
        click.echo(f'\nstored in {store}; ask it: tidecast query --store {store} "SELECT ..."')


def _refuse_begun(settings: Settings) -> None:
    from tidecast.streams.warm_up import refuse_begun  # a replay needs no broker

    refuse_begun(settings)


def _begin_live(settings: Settings, replayed: Replay) -> None:
    from tidecast.streams.warm_up import begin_live

    size = begin_live(settings, replayed.fold)
    click.echo(f"the live forecaster begins with what was learnt: a checkpoint of {size:,} bytes")


def _write_report(store: Store, settings: Settings, path: Path, result: Result) -> None:
    from tidecast.tools.report import write_report  # needs the extra "report"

    write_report(store, settings, path, path.stem, dict(result.rows()))
    click.echo(f"wrote {path}")
