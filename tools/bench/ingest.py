"""``tidecast bench ingest``: our ingest worker beside its peers, on one broker, in one run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from statistics import median
from typing import Any

import click
from rich.table import Table

from tidecast.tools.bench.broker import broker
from tidecast.tools.bench.contenders import CONTENDERS, OURS, Contender
from tidecast.tools.bench.race import Standing, compare
from tidecast.tools.console import open_console

__all__ = ["ingest", "result"]


def _chosen(_: click.Context, __: click.Parameter, names: str) -> list[Contender]:
    wanted = names.split(",")
    if unknown := [name for name in wanted if name not in CONTENDERS]:
        raise click.BadParameter(f"unknown: {unknown[0]!r}; choose from {', '.join(CONTENDERS)}")
    return [CONTENDERS[name] for name in wanted]


@click.command()
@click.option("--records", default=2_000_000, show_default=True, type=click.IntRange(min=1_000))
@click.option("--runs", default=5, show_default=True, type=click.IntRange(min=1))
@click.option(
    "--contenders",
    default=",".join(CONTENDERS),
    show_default=True,
    callback=_chosen,
    help="Names, joined by commas.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def ingest(records: int, runs: int, contenders: list[Contender], as_json: bool) -> int:
    """Measure JSON to one-minute sums per cell: ours, and the same sum in other systems.

    RECORDS are read by the fast contenders, a tenth of them by the slow ones; each has its own
    process, they take turns, the median of RUNS counts, and every sum is checked. The broker is
    the one that TIDECAST_KAFKA__BOOTSTRAP names, or one that is started for the run.
    """
    present = [contender for contender in contenders if not contender.missing()]
    missing = {c.name: c.missing() for c in contenders if c.missing()}
    for name, packages in missing.items():
        _say(f"{name}: missing; {', '.join(packages)} not installed (extra: bench)")
    with broker() as bootstrap:
        standings = compare(bootstrap, present, records, runs)
    if as_json:
        click.echo(json.dumps(result(standings)))
    else:
        open_console().print(table(standings, list(missing)))
    return 0 if all(standing.verified for standing in standings) else 1


def _say(message: str) -> None:
    click.echo(message, err=True)


def result(standings: Sequence[Standing]) -> dict[str, Any]:
    """Return the JSON result: contenders with their median rates, and ours over theirs."""
    return {
        "contenders": [
            {
                "name": standing.name,
                "records_per_second": standing.rate,
                "verified": standing.verified,
                "runs": standing.rates,
                "cpu_microseconds_per_record": standing.cpu,
                "peak_mib": standing.peak_mib,
            }
            for standing in standings
        ],
        "ratio": ratios(standings),
    }


def ratios(standings: Sequence[Standing]) -> dict[str, float]:
    """Return our median rate over that of each other contender that has one."""
    rates = {standing.name: standing.rate for standing in standings}
    ours = rates.pop(OURS, None)
    return {name: ours / rate for name, rate in rates.items() if ours and rate}


def table(standings: Sequence[Standing], missing: Sequence[str]) -> Table:
    """Return the closing table."""
    times = ratios(standings)
    shown = Table("contender", title="Thousand records a second, JSON to one-minute sums")
    for heading in ("min", "median", "max", "ours is", "CPU µs", "MiB", "sums"):
        shown.add_column(heading, justify="right")
    for standing in standings:
        if not standing.rates:
            shown.add_row(standing.name, "failed")
            continue
        spread = (min(standing.rates), median(standing.rates), max(standing.rates))
        shown.add_row(
            standing.name,
            *(f"{rate / 1000:.1f}" for rate in spread),
            f"{times[standing.name]:.1f} x" if standing.name in times else "",
            f"{standing.cpu:.1f}",
            f"{standing.peak_mib:.0f}",
            "verified" if standing.verified else "WRONG",
        )
    for name in missing:
        shown.add_row(name, "missing")
    return shown
