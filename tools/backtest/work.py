"""What ``tidecast backtest`` does once it is known what is asked."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import click

from tidecast.models.evaluate.answers import Answers
from tidecast.models.evaluate.backtest import Backtest
from tidecast.state.cells import Cell
from tidecast.state.errors import LogError
from tidecast.streams.logs import parse_log_specs
from tidecast.tools.backtest.asked import Asked, Wanted
from tidecast.tools.backtest.notes import notes_of_guards
from tidecast.tools.backtest.page import Page
from tidecast.tools.backtest.peers import PeerReport, start_peers
from tidecast.tools.backtest.plan import Plan, plan_logs, plan_table
from tidecast.tools.backtest.resume import Resume
from tidecast.tools.backtest.run import run_backtest
from tidecast.tools.backtest.show import Findings
from tidecast.tools.console import open_console
from tidecast.tools.context import SettingsFile, command_line
from tidecast.tools.deep import require_extra
from tidecast.tools.explain.command import show
from tidecast.tools.explain.find import find_cell
from tidecast.tools.explain.told import Told
from tidecast.tools.report.ink import require_matplotlib

__all__ = ["forecast_the_past"]

OF_TABLES = (
    *("timezone", "time", "region", "category", "value", "censored", "weight", "regions"),
    *("holidays", "future", "past", "static"),
)


def forecast_the_past(
    settings_file: SettingsFile, files: Sequence[str], asked: Asked, wanted: Wanted
) -> None:
    """Run a backtest of ``files``, and tell what comes of it.

    Raises
    ------
    TidecastError
        When they cannot be read, or what is asked makes no sense.
    click.Abort
        When it was stopped before its end.
    """
    if wanted.html_file is not None:
        require_matplotlib()
    plan = _plan(settings_file, files, asked)
    deep = None
    if asked.deep is not None:
        deep, plan = _opened(asked.deep, plan)
    for note in plan.notes:
        click.echo(note, err=True)
    cell = None if wanted.explain is None else find_cell(wanted.explain, plan.slabs.cells)
    beside = start_peers(plan.peers, plan.profile, plan.span) if plan.peers else None
    backtest = Backtest(plan.profile, plan.span, beside, plan.left_out, plan.known, deep)
    keeper = Resume(wanted.resume, plan.fingerprint()) if wanted.resume else None
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
    if wanted.json_file is not None:
        findings.write(wanted.json_file)
        click.echo(f"wrote {wanted.json_file}")
    if wanted.html_file is not None:
        title = f"Backtest of {', '.join(Path(file).name for file in files)}"
        page = Page(plan, backtest, findings.scores, {"command": command_line()}, peers, told)
        page.write(wanted.html_file, title)
        click.echo(f"wrote {wanted.html_file}")


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
