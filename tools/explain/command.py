"""The command ``tidecast explain``."""

from __future__ import annotations

from collections.abc import Sequence

import click
import orjson

from tidecast.models.fold import ForecastFold
from tidecast.state.bins import BinGrid
from tidecast.state.cells import ALL, Cell
from tidecast.state.errors import SettingsError
from tidecast.state.settings import Settings
from tidecast.streams.logs import parse_log_specs
from tidecast.streams.replay import Replay
from tidecast.tools.console import open_console
from tidecast.tools.context import SettingsFile, pass_settings_file
from tidecast.tools.explain.find import find_cell, name_of
from tidecast.tools.explain.told import Told
from tidecast.tools.progress import log_progress

__all__ = ["command", "show"]


@click.command("explain")
@click.argument("logs", nargs=-1, metavar="[LOG]...")
@click.option("--region", default=ALL, help="The region; without, the sum of all.")
@click.option("--category", default=ALL, help="The category; without, the sum of all.")
@click.option("--series", help="Only this series.")
@click.option("--json", "as_json", is_flag=True, help="Print one object, experts in it.")
@pass_settings_file
def command(
    settings_file: SettingsFile,
    logs: Sequence[str],
    region: str,
    category: str,
    series: str | None,
    as_json: bool,
) -> None:
    """Tell what the last forecast of a cell is made of: parts that add up to its mean.

    Of the running shop, as its forecaster's newest checkpoint has it; or of recorded LOGs, which
    are replayed for it.
    """
    settings = settings_file.load()
    fold = _replayed(settings, logs) if logs else _newest(settings)
    cell = find_cell(name_of(Cell(region, category)), fold.known_cells)
    grid = BinGrid(settings.bins.width, settings.shop.time_zone)
    told = Told(cell, fold.explain(cell), grid)
    chosen = _chosen(told, series)
    if as_json:
        click.echo(orjson.dumps(told.to_json(chosen)))
    else:
        show(told, chosen)


def show(told: Told, chosen: Sequence[str]) -> None:
    """Print a table of each of the ``chosen`` series."""
    console = open_console()
    for name in chosen:
        console.print(told.heading(name), soft_wrap=True)
        console.print(told.table(name))


def _chosen(told: Told, series: str | None) -> Sequence[str]:
    known = told.explanation.series
    if series is not None and series not in known:
        raise SettingsError(
            f"--series {series}: of {told.name} there is no such series; use one of "
            f"{', '.join(known)}"
        )
    return known if series is None else (series,)


def _newest(settings: Settings) -> ForecastFold:
    from tidecast.streams.newest import newest_fold  # logs need no broker

    return newest_fold(settings)


def _replayed(settings: Settings, logs: Sequence[str]) -> ForecastFold:
    """Return the fold after all that the logs hold."""
    replay = Replay(settings, parse_log_specs(logs, settings))
    shown = 0
    with log_progress("explain", replay.readers) as advance:
        for _ in replay.closed():
            advance(replay.counts.events - shown)
            shown = replay.counts.events
    return replay.fold
