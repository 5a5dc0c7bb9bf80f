"""Cells that appear mid-way: what neighbours and parents are worth to them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
from rich.table import Table

from tidecast.models.forecaster import Forecaster
from tidecast.state.errors import TidecastError
from tidecast.tools.backtest.plan import LEVELS
from tidecast.tools.bench.bursts import table_course
from tidecast.tools.bench.bursts_course import made_up_course
from tidecast.tools.bench.newcomers_run import FIRST_BINS, Arrivals, Said, said_of_newcomers
from tidecast.tools.console import open_console
from tidecast.tools.progress import count_progress

__all__ = ["newcomers"]

Figures = dict[str, float]

RUNS = ("alone", "kin", "known")


@click.command()
@click.argument("table", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--freq", default="1h", show_default=True, help="Width of a bin of the TABLE.")
@click.option("--horizon", default=12, show_default=True, type=click.IntRange(1, 512))
@click.option(
    "--weeks", default=4, show_default=True, type=click.IntRange(3), help="Without TABLE."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def newcomers(table: Path | None, freq: str, horizon: int, weeks: int, as_json: bool) -> None:
    """Let cells appear mid-way, and score what is forecast of their first 24 bins.

    The shop is made up, hourly, of 48 cells; or the first value of a long TABLE, as `tidecast
    backtest` reads it. A quarter of the cells, of all sizes, is hidden until then. The same engine
    runs without neighbours and parents, with them, and with the cells there from the first bin.
    """
    course = (
        made_up_course(weeks, horizon, LEVELS)
        if table is None
        else table_course(table, freq, horizon)
    )
    if len(course.cells) < 2:
        raise TidecastError(f"{table} has one cell only: nothing is like it")
    arrivals = Arrivals.of(course)
    found: dict[str, Said] = {}
    with count_progress("newcomers", len(RUNS), "runs") as advance:
        for run in RUNS:
            found[run] = _said(run, arrivals)
            advance(1)
    groups = {f"{leads[0]}-{leads[-1]}": leads for leads in _groups(horizon)}
    figures = {
        run: {name: _figures(said, leads) for name, leads in groups.items()}
        for run, said in found.items()
    }
    if as_json:
        click.echo(json.dumps({"newcomers": len(arrivals.at), "runs": figures}))
    else:
        open_console().print(_table(figures))


def _said(run: str, arrivals: Arrivals) -> Said:
    profile = replace(arrivals.course.profile, has_kin=run != "alone")
    at = np.zeros_like(arrivals.at) if run == "known" else arrivals.at
    return said_of_newcomers(Forecaster(profile), arrivals, at)


def _groups(horizon: int) -> list[range]:
    """Return the first lead, those up to 5, and those from 6 to 12, as far as there are any."""
    bounds = ((1, 1), (2, 5), (6, 12))
    return [range(low, min(high, horizon) + 1) for low, high in bounds if low <= horizon]


def _figures(said: Said, leads: range) -> Figures:
    return {
        "wape": said.wape(leads),
        "pinball": said.pinball(leads),
        "coverage_80": said.coverage(leads, 0.1, 0.9),
        "coverage_90": said.coverage(leads, 0.05, 0.95),
    }


def _table(figures: Mapping[str, Mapping[str, Figures]]) -> Table:
    table = Table(title=f"The first {FIRST_BINS} bins of newcomers")
    for heading in ("leads", "WAPE alone", "with kin", "change", "known", "80 %", "90 %"):
        table.add_column(heading, justify="right", no_wrap=True)
    for leads, kin in figures["kin"].items():
        alone, known = figures["alone"][leads]["wape"], figures["known"][leads]["wape"]
        table.add_row(
            leads,
            *(f"{alone:.3f}", f"{kin['wape']:.3f}", f"{kin['wape'] / alone - 1:+.1%}"),
            *(f"{known:.3f}", f"{kin['coverage_80']:.1%}", f"{kin['coverage_90']:.1%}"),
        )
    return table
