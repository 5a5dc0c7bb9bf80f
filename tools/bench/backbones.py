"""``tidecast bench backbones``: the published task of PEMS08, as much processor time for each."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from rich.table import Table

from tidecast.models.deep.backbones import BACKBONES
from tidecast.tools.console import open_console
from tidecast.tools.deep.data import Data, read_data
from tidecast.tools.deep.job import Job, Shares
from tidecast.tools.deep.options import FILE
from tidecast.tools.deep.pems08 import ASKED, TESTED, VALIDATED
from tidecast.tools.deep.run import run_job
from tidecast.tools.deep.train import make_job
from tidecast.tools.deep.trained import judge

__all__ = ["backbones"]

TIMED_STEPS = 5
WARM_UP_SHARE = 0.1
"""Of the steps: a slow backbone makes few."""

LONGEST_WARM_UP = 100


@dataclass(frozen=True)
class Found:
    """What a backbone reached: MAE of the windows that judged it, and figures of those tested.

    ``seconds`` are of processor time, those of the windows that judged it included.
    """

    backbone: str
    weights: int
    steps: int
    seconds: float
    validated: float
    mae: float
    rmse: float
    mape: float


@click.command()
@click.argument("file", metavar="NPZ", type=FILE)
@click.option(
    "--backbone",
    "names",
    type=click.Choice(sorted(BACKBONES)),
    multiple=True,
    help="Of which; default: all.",
)
@click.option("--minutes", default=5.0, show_default=True, type=click.FloatRange(0, min_open=True))
@click.option("--width", default=64, show_default=True, type=click.IntRange(4))
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def backbones(
    file: Path, names: tuple[str, ...], minutes: float, width: int, seed: int, as_json: bool
) -> None:
    """Train every backbone on the flow of PEMS08 (bin, sensor), as many minutes each, and judge it.

    The task is that of `tidecast deep pems08`. Minutes are of processor time, whatever else runs;
    how many steps they hold is found by a few steps beforehand. Judging comes on top.
    """
    data = read_data(file, ASKED)
    found = [_measure(name, data, minutes, width, seed) for name in names or BACKBONES]
    if as_json:
        click.echo(json.dumps({"runs": [asdict(each) for each in found]}))
    else:
        open_console().print(_table(found))


def _measure(backbone: str, data: Data, minutes: float, width: int, seed: int) -> Found:
    click.echo(backbone, err=True)

    def job(steps: int) -> Job:
        return make_job(
            data,
            Shares(VALIDATED, TESTED),
            backbone=backbone,
            width=width,
            context_length=12,
            horizon=12,
            steps=steps,
            warm_up=min(LONGEST_WARM_UP, round(WARM_UP_SHARE * steps)),
            seed=seed,
        )

    steps = max(1, round(60.0 * minutes / _seconds_of_a_step(job(TIMED_STEPS))))
    chosen = job(steps)
    begun = time.process_time()
    model = run_job(chosen, None, None)
    seconds = time.process_time() - begun
    tested = judge([model], data, TESTED).overall()
    return Found(
        backbone=backbone,
        weights=sum(weight.numel() for weight in model.network.parameters()),
        steps=steps,
        seconds=seconds,
        validated=chosen.validated(model).overall()["mae"],
        mae=tested["mae"],
        rmse=tested["rmse"],
        mape=tested["mape"],
    )


def _seconds_of_a_step(job: Job) -> float:
    """Return how long a step takes, once warm."""
    trainer = job.trainer()
    trainer.step()
    begun = time.process_time()
    for _ in range(TIMED_STEPS):
        trainer.step()
    return (time.process_time() - begun) / TIMED_STEPS


def _table(found: list[Found]) -> Table:
    table = Table(
        *("backbone", "weights", "steps", "seconds", "validation MAE", "MAE", "RMSE", "MAPE")
    )
    for each in found:
        table.add_row(
            each.backbone,
            f"{each.weights:,}",
            f"{each.steps:,}",
            f"{each.seconds:,.0f}",
            f"{each.validated:.3f}",
            f"{each.mae:.3f}",
            f"{each.rmse:.3f}",
            f"{each.mape:.2%}",
        )
    return table
