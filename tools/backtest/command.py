"""The command ``tidecast backtest``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import click

from tidecast.models.evaluate.answers import Answers
from tidecast.models.evaluate.backtest import Backtest
from tidecast.state.cells import Cell
from tidecast.state.errors import LogError
from tidecast.streams.backtest.table import Absent, Aggregate
from tidecast.streams.logs import parse_log_specs
from tidecast.tools.backtest.notes import notes_of_guards
from tidecast.tools.backtest.page import Page
from tidecast.tools.backtest.peers import PeerReport, start_peers
from tidecast.tools.backtest.plan import Asked, Plan, plan_logs, plan_table
from tidecast.tools.backtest.resume import Resume
from tidecast.tools.backtest.run import run_backtest
from tidecast.tools.backtest.show import Findings
from tidecast.tools.console import open_console
from tidecast.tools.context import SettingsFile, command_line, pass_settings_file
from tidecast.tools.deep import require_extra
from tidecast.tools.explain.command import show
from tidecast.tools.explain.find import find_cell
from tidecast.tools.explain.told import Told
from tidecast.tools.output_file import OutputFile
from tidecast.tools.report.ink import require_matplotlib

__all__ = ["command"]

OF_TABLES = (
    *("timezone", "time", "region", "category", "value", "censored", "weight", "regions"),
    *("holidays", "future", "past", "static"),
)
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
    if html_file is not None:
        require_matplotlib()
    plan = _plan(settings_file, files, Asked(**options))
    deep = None
    if (folder := options["deep"]) is not None:
        deep, plan = _opened(folder, plan)
    for note in plan.notes:
        click.echo(note, err=True)
    cell = None if explain is None else find_cell(explain, plan.slabs.cells)
    beside = start_peers(plan.peers, plan.profile, plan.span) if plan.peers else None
    backtest = Backtest(plan.profile, plan.span, beside, plan.left_out, plan.known, deep)
    keeper = Resume(resume, plan.fingerprint()) if resume else None
    begun = time.monotonic()
    done = run_backtest(backtest, plan.slabs, keeper)
    if done < plan.slabs.total:
        hint = "; the same command goes on" if keeper else "; with --resume it could go on"
        click.echo(f"stopped after {done:,} of {plan.slabs.total:,} bins{hint}", err=True)
        raise click.Abort
    seconds = round(time.monotonic() - begun, 1)
    actions, resets = _actions(backtest), backtest.forecaster.resets
    run = {**plan.describe(), "seconds": seconds, "guards": actions, "resets": resets}
    peers = PeerReport(beside, plan.slabs.cells) if beside else None
    told = None if cell is None else _told(backtest, plan, cell)
    findings = Findings(backtest, run, peers, told)
    findings.show(open_console())
    if not findings.scores:
        click.echo("nothing was scored: no such value came of which there was a forecast", err=True)
    if told is not None:
        show(told, told.explanation.series)
    for note in (*notes_of_guards(actions, resets), *(peers.notes() if peers else ())):
        click.echo(note, err=True)
    if json_file is not None:
        findings.write(json_file)
        click.echo(f"wrote {json_file}")
    if html_file is not None:
        title = f"Backtest of {', '.join(Path(file).name for file in files)}"
        page = Page(plan, backtest, findings.scores, {"command": command_line()}, peers, told)
        page.write(html_file, title)
        click.echo(f"wrote {html_file}")


def _opened(folder: Path, plan: Plan) -> tuple[Answers, Plan]:
    """Return the deep models of a folder, and the plan with them; torch is loaded for it."""
    require_extra("deep", "backtest --deep")
    from tidecast.tools.backtest.deep import open_models

    return open_models(folder, plan)


def _told(backtest: Backtest, plan: Plan, cell: Cell) -> Told:
    """Return what the last forecast of a cell is made of."""
    cells = backtest.cells
    explanation = backtest.forecaster.explain(cell, cells, plan.slabs.positions(cells))
    return Told(cell, explanation, plan.profile.grid)


def _actions(backtest: Backtest) -> dict[str, dict[str, int]]:
    """Return what the guards did, by series."""
    actions = backtest.forecaster.actions
    return {
        name: {what: int(count[number]) for what, count in actions.items()}
        for number, name in enumerate(backtest.profile.series)
    }


def _plan(settings_file: SettingsFile, files: Sequence[str], asked: Asked) -> Plan:
    """Return the plan for a table, or for logs where no --freq is given."""
    if asked.freq is not None:
        if len(files) > 1:
            raise click.UsageError("give one TABLE; event LOGs are forecast without --freq")
        return plan_table(Path(files[0]), asked)
    if given := [name for name in OF_TABLES if getattr(asked, name)]:
        raise click.UsageError(f"--{given[0]} is for a TABLE, which needs --freq, such as 1h")
    if not settings_file.path.exists():
        raise click.UsageError(
            "a TABLE needs --freq, the width of a bin, such as 1h; event LOGs need settings, "
            f"and there are none at {settings_file.path} (`tidecast init` writes an example)"
        )
    settings = settings_file.load()
    try:
        return plan_logs(settings, parse_log_specs(files, settings), asked)
    except LogError as error:
        raise LogError(f"{error}; if it is a TABLE, give --freq, such as 1h") from error
