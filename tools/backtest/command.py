"""The command ``tidecast backtest``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import click

from tidecast.streams.backtest.meaning import Absent, Aggregate
from tidecast.tools.backtest.asked import Asked, Wanted
from tidecast.tools.context import SettingsFile, pass_settings_file
from tidecast.tools.output_file import OutputFile

__all__ = ["command"]

FILE = click.Path(path_type=Path, dir_okay=False)


def _seasons(_: click.Context, __: click.Parameter, text: str | None) -> tuple[int, ...]:
    """Return the bins of seasons, joined by commas."""
    parts = text.split(",") if text else []
    if not all(part.strip().isdecimal() for part in parts):
        raise click.BadParameter("give bins, rising, joined by commas, such as 24,168")
    return tuple(int(part) for part in parts)


@click.command("backtest")
@click.argument("files", nargs=-1, required=True, metavar="TABLE|LOG...")
@click.option("--freq", help="Width of a bin of the TABLE: 1h, 15min, 1D.")
@click.option("--horizon", type=click.IntRange(1, 512), help="Bins ahead.  [default: 24]")
@click.option("--seasons", callback=_seasons, help="Season lengths in bins; default: day, week.")
@click.option("--timezone", help="The shop's time zone, such as Europe/London.  [default: UTC]")
@click.option("--time", metavar="NAME", help="The column of times, if its name does not tell.")
@click.option("--region", metavar="NAME", help="The column of regions.")
@click.option("--category", metavar="NAME", help="The column of categories.")
@click.option("--value", metavar="NAME", multiple=True, help="A column to forecast; repeatable.")
@click.option("--censored", metavar="NAME", help="The column that marks what was sold out.")
@click.option("--weight", metavar="NAME", help="The column of how many values each mean is of.")
@click.option(
    "--aggregate",
    type=click.Choice(get_args(Aggregate)),
    default="sum",
    show_default=True,
    help="What several rows of a bin and cell come to.",
)
@click.option(
    "--absent",
    type=click.Choice(get_args(Absent)),
    default="auto",
    show_default=True,
    help="What a row that is not there means.",
)
@click.option("--regions", type=FILE, help="A table of region, lat, lng: cells get neighbours.")
@click.option(
    "--future", metavar="NAME", multiple=True, help="A column that is known ahead; repeatable."
)
@click.option(
    "--past", metavar="NAME", multiple=True, help="A column known once its bin is over; repeatable."
)
@click.option(
    "--static", metavar="NAME", multiple=True, help="A column known of each cell; repeatable."
)
@click.option("--holidays", metavar="CODE", help="Country of the shop's holidays: GB, DE-BY.")
@click.option(
    "--with", "with_", metavar="EXPERT", multiple=True, help="Ask one more expert; repeatable."
)
@click.option("--without", metavar="EXPERT", multiple=True, help="Leave an expert out; repeatable.")
@click.option(
    "--deep",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="A deep model, or a folder of some: they answer as live, once their data are past.",
)
@click.option(
    "--leave-one-out", is_flag=True, help="Tell what the blend is worth without each expert."
)
@click.option(
    "--leave-out",
    metavar="EXPERT",
    multiple=True,
    help="The same of one expert alone, which takes less time; repeatable.",
)
@click.option(
    "--score-last",
    type=click.IntRange(1),
    metavar="N",
    help="Score the last N bins only.  [default: all but the first tenth]",
)
@click.option("--score-where", metavar="TEXT", help='Score only where, e.g. "actual > 0".')
@click.option("--peers", is_flag=True, help="Run other forecasters beside, such as AutoETS.")
@click.option(
    "--peer-cells",
    type=click.IntRange(1),
    metavar="N",
    default=20,
    show_default=True,
    help="Cells that the peers forecast: a sample.",
)
@click.option(
    "--peer-seconds",
    type=click.FloatRange(0, min_open=True),
    metavar="S",
    default=600.0,
    show_default=True,
    help="Seconds that each peer may take in all.",
)
@click.option(
    "--peer-seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Another seed draws other cells.",
)
@click.option(
    "--explain",
    metavar="REGION[/CATEGORY]",
    help="Tell what the last forecast of a cell, or of a sum of cells, is made of.",
)
@click.option("--json", "json_file", type=OutputFile(), help="Write every figure to a file.")
@click.option("--html", "html_file", type=OutputFile(), help="Write a page of pictures to a file.")
@click.option(
    "--resume",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to keep the state in; stopped, the same command goes on.",
)
@pass_settings_file
def command(
    settings_file: SettingsFile,
    /,
    files: Sequence[str],
    explain: str | None,
    json_file: Path | None,
    html_file: Path | None,
    resume: Path | None,
    **options: Any,
) -> None:
    """Forecast the past as it came, bin by bin, and tell what the forecasts were worth.

    With --freq, of a long TABLE (Parquet or CSV: a time, a region, a category and a value in each
    row; no settings are needed). Without, of the event LOGs that the settings describe.
    """
    # Experts take seconds to import: --help and mistakes in options must not wait for them.
    from tidecast.tools.backtest.work import forecast_the_past

    wanted = Wanted(explain, json_file, html_file, resume)
    forecast_the_past(settings_file, files, Asked(**options), wanted)
