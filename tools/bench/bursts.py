"""``tidecast bench bursts``: what bursts, dead feeds and shifts leave behind in forecasts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click
import numpy as np
from rich.table import Table

from tidecast.state.errors import TidecastError
from tidecast.tools.backtest.asked import Asked
from tidecast.tools.backtest.plan import LEVELS, plan_table
from tidecast.tools.bench.bursts_course import MISHAPS, Course, made_up_course
from tidecast.tools.bench.bursts_run import Outcome, Runner
from tidecast.tools.console import open_console
from tidecast.tools.progress import count_progress

__all__ = ["bursts", "table_course"]


@click.command()
@click.argument("table", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--freq", default="1h", show_default=True, help="Width of a bin of the TABLE.")
@click.option("--horizon", default=12, show_default=True, type=click.IntRange(1, 512))
@click.option(
    "--weeks", default=8, show_default=True, type=click.IntRange(5), help="Without TABLE."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def bursts(table: Path | None, freq: str, horizon: int, weeks: int, as_json: bool) -> None:
    """Let mishaps befall a shop, and hold its later errors against those of a run without.

    The shop is made up, hourly, of 48 cells; or the first value of a long TABLE, as `tidecast
    backtest` reads it. A mishap comes three of the longest seasons, and a day's 24 bins, before
    the end; of days, of which these are few, at earlier places as well. A level that shifts for
    good is held against a run whose whole history was so.
    """
    course = (
        made_up_course(weeks, horizon, LEVELS)
        if table is None
        else table_course(table, freq, horizon)
    )
    click.echo("stepping through the past that all runs share", err=True)
    runners, outcomes = [Runner(stretch) for stretch in course.stretches], []
    with count_progress("bursts", len(MISHAPS), "mishaps") as advance:
        for mishap in MISHAPS:
            outcomes.append(Outcome.mean([runner.outcome(mishap) for runner in runners]))
            advance(1)
    if as_json:
        click.echo(json.dumps({"runs": [asdict(outcome) for outcome in outcomes]}))
    else:
        open_console().print(_table(outcomes))


def table_course(path: Path, freq: str, horizon: int) -> Course:
    """Return the bins of the first value of a long table.

    Raises
    ------
    TidecastError
        When the table cannot be read, or is too short.
    """
    plan = plan_table(path, Asked(freq=freq, horizon=horizon))
    slabs = list(plan.slabs.after(0))
    cells = slabs[-1][1]
    values = np.full((len(slabs), len(cells)), np.nan)
    for place, (slab, _) in enumerate(slabs):
        values[place, : len(slab.values)] = slab.values[:, 0]
    positions = plan.slabs.positions(cells)
    course = Course(plan.profile, plan.slabs.first_bin, values, cells, positions)
    if course.mishap_at < 2 * course.season:
        needed = 5 * course.season + len(values) - course.mishap_at - 3 * course.season
        raise TidecastError(f"{path} has {len(values):,} bins: {needed:,} are needed at least")
    return course


def _table(outcomes: Sequence[Outcome]) -> Table:
    table = Table(title="Error beside that of a run without")
    table.add_column("mishap", no_wrap=True)
    for heading in ("season after", "the next", "its RMSE", "other cells", "not finite"):
        table.add_column(heading, justify="right")
    for outcome in outcomes:
        table.add_row(
            outcome.name,
            *(f"{ratio - 1:+.1%}" for ratio in (outcome.soon, outcome.later, outcome.later_rmse)),
            "" if outcome.others is None else f"{outcome.others - 1:+.2%}",
            str(outcome.not_finite),
        )
    return table
