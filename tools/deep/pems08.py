"""``tidecast deep pems08``: the published task of PEMS08, from the array to the figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tidecast.tools.console import open_console
from tidecast.tools.deep.data import Asked, read_data
from tidecast.tools.deep.job import Shares
from tidecast.tools.deep.options import FILE
from tidecast.tools.deep.run import run_job
from tidecast.tools.deep.show import accuracy_table, one_line
from tidecast.tools.deep.train import make_job
from tidecast.tools.deep.trained import judge

__all__ = ["ASKED", "TESTED", "VALIDATED", "pems08"]

VALIDATED, TESTED = 0.2, 0.2
ASKED = Asked(freq="5min", start="2016-07-01T00:00", missing=0.0)
PATIENCE = 3
"""Judgements without a better one: it ends while the rate is high, later steps fit the past."""

NETWORK: dict[str, Any] = {
    "backbone": "itransformer",
    "context_length": 12,
    "horizon": 12,
    "width": 128,
    "depth": 2,
}


@click.command("pems08")
@click.argument("file", metavar="NPZ", type=FILE)
@click.option("--members", default=2, show_default=True, type=click.IntRange(1), help="Networks.")
@click.option(
    "--steps", type=int, default=10_000, show_default=True, help="Batches of each, at most."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the first network.")
@click.option("--resume", type=FILE, help="Keep states here, .1 of the first; the same goes on.")
def pems08(file: Path, members: int, steps: int, seed: int, resume: Path | None) -> None:
    """Train on the flow of PEMS08 (bin, sensor) and print MAE, RMSE and MAPE in the last line.

    12 steps in, 12 out; windows split 6:2:2 in time, chosen by the middle part alone; zeros are
    missing; figures are means over the 12 leads, of 3,567 test windows (arXiv 2310.06119). Members
    differ in their seed, and are judged by what they say on average.
    """
    data = read_data(file, ASKED)
    models = []
    for number in range(members):
        job = make_job(
            data,
            Shares(VALIDATED, TESTED),
            steps=steps,
            patience=PATIENCE,
            seed=seed + number,
            **NETWORK,
        )
        kept = resume and resume.with_name(f"{resume.name}.{number + 1}")
        models.append(run_job(job, None, kept))
    found = judge(models, data, TESTED)
    open_console().print(accuracy_table(found))
    click.echo(one_line(found))
