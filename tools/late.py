"""``tidecast late``: what came too late for the slabs, folded into the store afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

import click
from rich.table import Table

from tidecast.state.bins import BinGrid, iso
from tidecast.state.settings import Settings
from tidecast.streams.late import Change, LatePlan, plan_late_replay, write_amendments
from tidecast.streams.store import open_server
from tidecast.tools.console import open_console
from tidecast.tools.context import SettingsFile, pass_settings_file
from tidecast.tools.progress import count_progress
from tidecast.tools.tally import counts_table

__all__ = ["late"]

SHOWN = 20


@click.group()
def late() -> None:
    """Fold what came too late into the store."""


@late.command()
@click.option("--dry-run", is_flag=True, help="Say what would change, and write nothing.")
@pass_settings_file
def replay(settings_file: SettingsFile, dry_run: bool) -> None:
    """Recount the bins of late events, and write their actuals anew with the next revision.

    A bin is left alone while it may still be corrected, and refused where the store is not as the
    log says: the exit code is 1 then. What is folded already stays as it is.
    """
    settings = settings_file.load()
    with closing(open_server(settings.clickhouse)) as store:
        plan = plan_late_replay(settings, store, count_progress)
        if not dry_run:
            write_amendments(settings, store, plan.amendments)
    show(settings, plan, dry_run)
    click.get_current_context().exit(1 if plan.refused else 0)


def show(settings: Settings, plan: LatePlan, dry_run: bool) -> None:
    """Print what changes, what is refused, and the closing table."""
    console = open_console()
    changes = [change for each in plan.amendments for change in each.changes]
    if changes:
        console.print(_changes(settings, changes[:SHOWN]))
    for refusal in plan.refused:
        console.print(f"refused: {refusal}")
    figures = {
        "late events of closed bins": plan.events,
        "values that change": len(changes),
        "bins to fold" if dry_run else "bins folded": len(plan.amendments),
        "bins that hold theirs already": plan.done,
        "bins that may still be corrected": plan.waiting,
        "bins refused": len(plan.refused),
    }
    console.print(counts_table([(name, f"{count:,}") for name, count in figures.items()]))
    if not plan.amendments:
        console.print("nothing to fold")
    elif dry_run:
        console.print("nothing was written: run it without --dry-run")


def _changes(settings: Settings, changes: Sequence[Change]) -> Table:
    grid = BinGrid(settings.bins.width, settings.shop.time_zone)
    table = Table(box=None, pad_edge=False)
    for name in ("bin", "region", "category", "series"):
        table.add_column(name)
    for name in ("before", "after"):
        table.add_column(name, justify="right")
    for c in changes:
        before = "nothing" if c.before is None else f"{c.before:.12g}"
        start = iso(grid.start(c.bin))
        table.add_row(start, c.region, c.category, c.series, before, f"{c.after:.12g}")
    return table
