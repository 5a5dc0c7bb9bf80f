"""``tidecast bench deep``: what deep networks take, by backbone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict

import click
from rich.table import Table

from tidecast.models.deep.backbones import BACKBONES
from tidecast.state.errors import TidecastError
from tidecast.tools.bench import deep_run
from tidecast.tools.bench.deep_run import DeepRun
from tidecast.tools.console import open_console

__all__ = ["deep"]

SQUARE = {"itransformer", "transformer"}
"""Their attention over cells costs the number of these squared: they answer fewer."""

FEWER = 500


@click.command()
@click.option(
    "--backbone",
    "backbones",
    type=click.Choice(sorted(BACKBONES)),
    multiple=True,
    help="Of which; default: all.",
)
@click.option("--cells", default=10_000, show_default=True, type=click.IntRange(min=1))
@click.option("--threads", default=2, show_default=True, type=click.IntRange(min=1))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def deep(backbones: tuple[str, ...], cells: int, threads: int, as_json: bool) -> None:
    """Measure training, the answer to one closed bin and the start, by backbone.

    Training: 64 cells, 24 bins seen, 12 ahead, batches of 32 windows; beside it a plain PyTorch
    loop of the same network. Each backbone has a process of its own, whose peak memory is told.
    """
    runs = [_measure_apart(name, cells, threads) for name in backbones or BACKBONES]
    if as_json:
        click.echo(json.dumps({"runs": [asdict(run) for run in runs]}))
    else:
        open_console().print(_table(runs))


def _measure_apart(backbone: str, cells: int, threads: int) -> DeepRun:
    """Measure in a fresh process."""
    answered = min(cells, FEWER) if backbone in SQUARE else cells
    command = [sys.executable, "-m", deep_run.__name__, "measure", backbone]
    done = subprocess.run(
        [*command, str(answered), str(threads)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
    )
    if done.returncode:
        raise TidecastError(f"the measuring process of {backbone} failed: {done.stderr.strip()}")
    return DeepRun(**json.loads(done.stdout))


def _table(runs: list[DeepRun]) -> Table:
    table = Table(
        *("backbone", "weights", "windows/s", "plain loop", "MiB"),
        *("cells", "answer s", "start s", "peak MiB"),
        title=f"{runs[0].device}, threads: {runs[0].threads}",
    )
    for run in runs:
        table.add_row(
            run.backbone,
            f"{run.weights:,}",
            f"{run.windows_per_second:,.0f}",
            f"{run.plain_windows_per_second:,.0f}",
            f"{run.training_mib:,.0f}",
            f"{run.cells:,}",
            f"{run.answer_seconds:.2f}",
            f"{run.start_seconds:.1f}",
            f"{run.peak_mib:,.0f}",
        )
    return table
