"""``tidecast bench checkpoints``: what a checkpoint a second costs the ingest worker."""

from __future__ import annotations

import json
from dataclasses import dataclass
from statistics import median
from typing import Any

import click
from rich.table import Table

from tidecast.state.errors import ServiceError
from tidecast.tools.bench.broker import broker
from tidecast.tools.bench.contenders import OURS, Contender
from tidecast.tools.bench.race import Standing, filled_topics, run_once
from tidecast.tools.console import open_console

__all__ = ["checkpoints", "cost"]


@dataclass(frozen=True)
class Variant(Contender):
    """Our own worker, run by the module ``file`` of the contenders."""

    file: str = ""

    @property
    def module(self) -> str:
        """The module to run."""
        return f"tidecast.tools.bench.contenders.{self.file}"


WITHOUT = Variant(OURS, file="tidecast_bare")
WITH = Variant(OURS, file="tidecast_saving")


@click.command()
@click.option("--records", default=4_000_000, show_default=True, type=click.IntRange(min=1_000))
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(min=1))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def checkpoints(records: int, rounds: int, as_json: bool) -> None:
    """Measure ingest with a checkpoint a second beside ingest without, in turn.

    10,000 cells in one-minute bins, some five of which are open at a time; four partitions, one
    worker; every sum is checked. The median of the rounds' ratios counts.
    """
    standings = {WITHOUT: Standing("without"), WITH: Standing("with")}
    with broker() as bootstrap, filled_topics(bootstrap, [WITHOUT], records) as sources:
        for number in range(1, rounds + 1):
            for variant in (WITHOUT, WITH) if number % 2 else (WITH, WITHOUT):
                standing = standings[variant]
                run_once(bootstrap, variant, sources[False, False], standing)
                if not standing.verified:
                    raise ServiceError(f"{standing.name} checkpoints: {standing.problem}")
                rate = f"{standing.rates[-1]:,.0f} records/s"
                click.echo(f"round {number}: {standing.name} checkpoints: {rate}", err=True)
    found = cost(standings[WITHOUT].rates, standings[WITH].rates)
    if as_json:
        click.echo(json.dumps(found))
    else:
        open_console().print(_table(found))


def cost(without: list[float], with_: list[float]) -> dict[str, Any]:
    """Return the rates of both, round by round, and the share of its speed that ingest keeps."""
    shares = [slow / fast for slow, fast in zip(with_, without, strict=True)]
    return {"without": without, "with": with_, "shares": shares, "kept": median(shares)}


def _table(found: dict[str, Any]) -> Table:
    shown = Table("thousand records/s", title="Ingest with a checkpoint a second, and without")
    for number in range(1, len(found["with"]) + 1):
        shown.add_column(f"round {number}", justify="right")
    for name in ("without", "with"):
        shown.add_row(name, *(f"{rate / 1000:.0f}" for rate in found[name]))
    shown.caption = (
        f"kept: {found['kept']:.0%} of the speed (median), "
        f"{min(found['shares']):.0%} to {max(found['shares']):.0%}"
    )
    return shown
