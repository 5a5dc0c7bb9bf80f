"""Run the backtests of ``backtests.md`` and write it: ``backtests.py TABLES FIGURES [NAME...]``.

TABLES are those of ``docs/examples/tables.py``. The figures of a run are kept in FIGURES; what is
there is not made again. NAMEs are the runs to be made; the page tells all that are there.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import join, split
from typing import Any

from tidecast.tools.main import run

PAGE = Path(__file__).with_suffix(".md")
METRICS = ("pinball", "rmse", "wape", "rmsse", "coverage_80", "coverage_90", "width_80", "width_90")
HEADS = ("pinball", "RMSE", "WAPE", "RMSSE", "inside 80%", "inside 90%", "width 80%", "width 90%")
DAILY = "--freq 1D --horizon 14"
HOURLY = "--freq 1h --horizon 24"
SHOP = "--timezone Europe/London --absent zero"
BESIDE = "--leave-one-out --peers --peer-seconds 3600 --peer-cells"

NO_PEERS: dict[str, Any] = {"cells": (), "scores": (), "peers": ()}

INTRODUCTION = """# Backtests on published data

Made by [backtests.py](backtests.py) from tables that [tables.py](../examples/tables.py) makes of
the published files; [backtest](../backtest.md) tells what the figures are. The newest fifth of each
set is scored (of DiDi the last 144 hours where the target is above 0, as published), over all
leads. One default configuration: only the width of bins, the horizon, the time zone and positions
differ.

```console
$ python docs/examples/tables.py DATA TABLES
$ python docs/results/backtests.py TABLES FIGURES
```

"without NAME" is the blend without that expert. Peers are compared on a sample of cells;
where that is all of them, in the same table. On the two largest sets they take hours, and were
run on the last weeks. WAPE is that of the median, of the total that of the mean. A peer that
needed more than its time, on a machine with other work, has no figures.
The last weeks of Melbourne and of PEMS08 are of an earlier state of the experts than the others.
"""


@dataclass(frozen=True)
class Run:
    """One backtest: of which table, by which options."""

    table: str
    title: str
    options: str

    def file(self, figures: Path) -> Path:
        """Return the file of its figures."""
        return figures / f"{self.table}.json"

    def command(self, tables: Path) -> list[str]:
        """Return its words; where places of the set are known they are given."""
        places = tables / f"{self.table.split('_')[0]}_places.parquet"
        given = ["--regions", str(places)] if places.is_file() else []
        return ["backtest", str(tables / f"{self.table}.parquet"), *split(self.options), *given]

    def make(self, tables: Path, figures: Path) -> None:
        """Make it, if its figures are not there."""
        file = self.file(figures)
        if not file.is_file() and run([*self.command(tables), "--json", str(file)]):
            raise SystemExit(f"{file.stem}: the backtest failed")


RUNS = (
    Run(
        "retail",
        "Online Retail: orders a day by country",
        f"{DAILY} {SHOP} --score-last 75 {BESIDE} 10",
    ),
    Run(
        "retail_uk",
        "Online Retail: orders a day, United Kingdom",
        f"{DAILY} {SHOP} --score-last 75 {BESIDE} 1",
    ),
    Run(
        "retail_rest",
        "Online Retail: orders a day, all other countries",
        f"{DAILY} {SHOP} --score-last 75 {BESIDE} 10",
    ),
    Run(
        "retail_cancelled",
        "Online Retail: cancellations a day by country",
        f"{DAILY} {SHOP} --score-last 75 {BESIDE} 10",
    ),
    Run(
        "retail_total",
        "Online Retail: orders an hour, all countries",
        f"{HOURLY} {SHOP} --score-last 1790 --peers --peer-seconds 900 --peer-cells 1",
    ),
    Run(
        "olist",
        "Olist: orders a day by state",
        f"{DAILY} --absent zero --score-last 143 {BESIDE} 10",
    ),
    Run(
        "olist_hours",
        "Olist: hours to the customer, by state and day of delivery",
        f"{DAILY} --aggregate mean --absent missing --score-last 143 {BESIDE} 10",
    ),
    Run(
        "didi",
        "DiDi Chengdu: rides an hour by cell",
        f"--freq 1h --horizon 12 --score-last 144 --score-where 'actual > 0' {BESIDE} 5",
    ),
    Run(
        "pedestrians",
        "Melbourne: pedestrians an hour by sensor",
        f"{HOURLY} --absent missing --score-last 3211 --leave-one-out",
    ),
    Run(
        "pedestrians_26_weeks",
        "Melbourne beside peers: the last 26 weeks, of which four are scored",
        f"{HOURLY} --absent missing --score-last 672 --peers --peer-seconds 600 --peer-cells 5",
    ),
    Run(
        "pems08",
        "PEMS08: vehicles in five minutes by sensor",
        "--freq 5min --horizon 12 --absent missing --score-last 3571",
    ),
    Run(
        "pems08_4_weeks",
        "PEMS08 beside peers: the last four weeks, of which three days are scored",
        "--freq 5min --horizon 12 --absent missing --score-last 864 --peers --peer-seconds 1200 "
        "--peer-cells 5",
    ),
)


def section(each: Run, tables: Path, found: dict[str, Any]) -> str:
    """Return what a run found, as Markdown."""
    command = join(each.command(tables)).replace(f"{tables}/", "")
    told, peers = found["run"], found.get("peers", NO_PEERS)
    parts = [
        f"## {each.title}",
        f"```console\n$ tidecast {command}\n```",
        f"{told['first'][:10]} to {told['last'][:10]}, scored from {told['scored_from'][:10]} on; "
        f"{told['seconds']:,.0f} seconds.",
        table(found["scores"]),
    ]
    names = {peer["peer"] for peer in peers["peers"]}
    if names and names.isdisjoint(s["expert"] for s in found["scores"]):
        parts += [f"Beside peers, on {len(peers['cells'])} cells:", table(peers["scores"])]
    stopped = [f"{peer['peer']} {peer['stopped']}." for peer in peers["peers"] if peer["stopped"]]
    parts += [" ".join(stopped)] if stopped else []
    return "\n\n".join(parts)


def table(scores: list[dict[str, Any]]) -> str:
    """Return a row of each expert: figures of cells, and WAPE of the total, all leads together."""
    value = {
        (s["expert"], s["level"], s["metric"]): s["value"] for s in scores if s["lead"] is None
    }
    experts = dict.fromkeys(expert for expert, level, metric in value if metric == "pinball")
    rows = [
        (
            expert,
            *(_figure(value[expert, "cell", name], name) for name in METRICS),
            _figure(value[expert, "total", "wape"], "wape"),
        )
        for expert in experts
    ]
    heads = ("expert", *HEADS, "WAPE of the total")
    lines = [heads, ("---", *("---:" for _ in heads[1:])), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _figure(value: float | None, metric: str) -> str:
    if value is None:
        return ""
    is_share = metric == "wape" or metric.startswith("coverage")
    return f"{value:.1%}" if is_share else f"{value:.4g}"


def main(tables: Path, figures: Path, names: Sequence[str]) -> None:
    """Make the runs, and write the page of all whose figures are there."""
    figures.mkdir(parents=True, exist_ok=True)
    parts = [INTRODUCTION.rstrip()]
    for each in RUNS:
        if not names or each.table in names:
            each.make(tables, figures)
        if each.file(figures).is_file():
            found = json.loads(each.file(figures).read_bytes())
            parts.append(section(each, tables, found))
    PAGE.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
