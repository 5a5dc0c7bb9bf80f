"""``tidecast verify``: recount a log, and print every cell that differs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import click
from rich.table import Table

from tidecast.state.bins import BinGrid, iso
from tidecast.state.settings import Settings
from tidecast.streams.logs import Dealer, LogReader, parse_log_specs
from tidecast.streams.recount.audit import Verdict, recount_files
from tidecast.streams.store import open_kept, open_server
from tidecast.tools.console import open_console
from tidecast.tools.context import SettingsFile, pass_settings_file
from tidecast.tools.progress import count_progress, log_progress
from tidecast.tools.tally import counts_table

__all__ = ["verify"]

CLEAN = "all is as the log says"


@click.command()
@click.argument("logs", nargs=-1, metavar="[LOG...]")
@click.option("--kafka", is_flag=True, help="Recount the source topics, instead of LOGs.")
@click.option(
    "--store",
    "folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of an embedded store [default: the ClickHouse server of the settings].",
)
@click.option("--partitions", type=click.IntRange(1), default=1, show_default=True)
@click.option("--key", help="Field that deals records out; default: the region's field.")
@click.option("--partition-field", help="Field that holds the recorded partition.")
@pass_settings_file
def verify(
    settings_file: SettingsFile,
    logs: Sequence[str],
    kafka: bool,
    folder: Path | None,
    partitions: int,
    key: str | None,
    partition_field: str | None,
) -> None:
    """Recount LOGs, or the source topics, and compare with what was published and stored.

    Ends with code 1 when anything differs. Give the options that the replay was given.
    """
    if kafka == bool(logs):
        raise click.UsageError("give the LOGs that were replayed, or --kafka")
    if kafka and (partitions > 1 or key or partition_field):
        raise click.UsageError("--partitions, --key and --partition-field deal out LOGs only")
    settings = settings_file.load()
    store = open_kept(folder) if folder else open_server(settings.clickhouse)
    with closing(store):
        if kafka:
            from tidecast.streams.recount.checks import audit_kafka

            verdict = audit_kafka(settings, store, count_progress)
        else:
            specs = parse_log_specs(logs, settings)
            dealers = {
                spec.source.name: Dealer(spec.source, partitions, key, partition_field)
                for spec in specs
            }
            readers = [LogReader(spec.path) for spec in specs]
            with log_progress("recount", readers) as advance:
                audit = recount_files(
                    settings, list(zip(specs, readers, strict=True)), dealers, advance
                )
            verdict = Verdict(audit.figures())
            audit.stored(store, verdict)
    show(settings, verdict)
    click.get_current_context().exit(0 if verdict.is_clean else 1)


def show(settings: Settings, verdict: Verdict) -> None:
    """Print what is wrong, and the closing table."""
    console = open_console()
    if verdict.differences:
        console.print(_cells(settings, verdict))
    for what, examples in verdict.examples.items():
        console.print(f"{what}:")
        for example in examples:
            console.print(f"  {example}")
    rows = [(name, f"{count:,}") for name, count in verdict.figures.items()]
    rows += [(what, f"{count:,}") for what, count in verdict.wrong.items()]
    console.print(counts_table(rows))
    for what in verdict.unjudged:
        console.print(f"not judged: {what}")
    console.print(_conclusion(verdict))


def _conclusion(verdict: Verdict) -> str:
    if not verdict.is_clean:
        return "NOT as the log says"
    return "all that can be judged is as the log says" if verdict.unjudged else CLEAN


def _cells(settings: Settings, verdict: Verdict) -> Table:
    grid = BinGrid(settings.bins.width, settings.shop.time_zone)
    table = Table(box=None, pad_edge=False)
    for name in ("bin", "region", "category", "series", "where"):
        table.add_column(name)
    for name in ("counted", "found"):
        table.add_column(name, justify="right")
    for d in verdict.differences:
        counted, found = (_number(value) for value in (d.counted, d.found))
        start = iso(grid.start(d.bin))
        table.add_row(start, d.region, d.category, d.series, d.where, counted, found)
    return table


def _number(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.12g}"
