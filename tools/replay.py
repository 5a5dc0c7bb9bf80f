"""``tidecast replay``: forecast recorded logs, without a broker."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from tidecast.state.settings import Settings
from tidecast.streams.logs import parse_log_specs
from tidecast.streams.recording import Recorded
from tidecast.streams.replay import Replay, Replayed
from tidecast.streams.store import Store, open_embedded, open_server
from tidecast.tools.context import SettingsFile, pass_settings_file
from tidecast.tools.output_file import OutputFile
from tidecast.tools.run import Result, query_of, run_replay

__all__ = ["replay"]

STOPPED = "stopped: the store holds a part; the same command begins anew, to the same rows"
DEALING = ("partitions", "key", "partition_field")
GIVEN_BY_NOBODY = click.core.ParameterSource.DEFAULT


@click.command()
@click.argument("logs", nargs=-1, required=True, metavar="LOG...|FOLDER")
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
@click.option("--report", type=OutputFile(), help="Write an HTML page of pictures.")
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

    A LOG is a path, or SOURCE=PATH where the file is not named after its source. The folder of a
    `tidecast record` in place of LOGs is repeated as it ran, bit for bit.
    """
    settings = settings_file.load()
    if into_checkpoint:
        _refuse_begun(settings)
    replayed: Replayed
    if any(Path(log).is_dir() for log in logs):
        replayed = _recorded(settings, logs)
    else:
        specs = parse_log_specs(logs, settings)
        replayed = Replay(settings, specs, partitions, key, partition_field)

    kept = open_server(settings.clickhouse) if server else open_embedded(store)
    try:
        kept.migrate()
        result = run_replay(settings, replayed, kept)
        result.show()
        if report is not None:
            _write_report(kept, settings, report, result)
        if into_checkpoint:
            _begin_live(settings, replayed)
    except KeyboardInterrupt:
        click.echo(STOPPED, err=True)
        raise
    finally:
        kept.close()
    if not server:
        click.echo(f"\nstored in {store}; ask it: {query_of(store)}")


def _recorded(settings: Settings, logs: Sequence[str]) -> Recorded:
    """Return what repeats the recording that ``logs`` name.

    Raises
    ------
    LogError
        When it is none, or of other settings.
    """
    given = click.get_current_context().get_parameter_source
    dealing = [
        f"--{name.replace('_', '-')}" for name in DEALING if given(name) is not GIVEN_BY_NOBODY
    ]
    if len(logs) > 1 or dealing:
        raise click.UsageError(
            "a recording is replayed alone, with the partitions that it has: give one FOLDER"
            + (f", and no {dealing[0]}" if dealing else "")
        )
    return Recorded(settings, Path(logs[0]))


def _refuse_begun(settings: Settings) -> None:
    from tidecast.streams.warm_up import refuse_begun  # a replay needs no broker

    refuse_begun(settings)


def _begin_live(settings: Settings, replayed: Replayed) -> None:
    from tidecast.streams.warm_up import begin_live

    size = begin_live(settings, replayed.fold)
    click.echo(f"the live forecaster begins with what was learnt: a checkpoint of {size:,} bytes")


def _write_report(store: Store, settings: Settings, path: Path, result: Result) -> None:
    from tidecast.tools.report import write_report  # needs the extra "report"

    write_report(store, settings, path, path.stem, dict(result.rows()))
    click.echo(f"wrote {path}")
