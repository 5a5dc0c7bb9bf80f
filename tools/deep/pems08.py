"""``tidecast deep pems08``: the published task of PEMS08, from the array to the figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import torch

from tidecast.models.deep.folder import check_free, save_model
from tidecast.tools.console import open_console
from tidecast.tools.deep.data import Asked, Data, read_data
from tidecast.tools.deep.job import Job, Shares
from tidecast.tools.deep.options import FILE
from tidecast.tools.deep.run import run_job
from tidecast.tools.deep.show import accuracy_table, one_line
from tidecast.tools.deep.train import make_job, say_written
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
@click.option("--out", type=click.Path(path_type=Path), help="Folder for a model of each network.")
@click.option("--resume", type=FILE, help="Keep states here, .1 of the first; the same goes on.")
def pems08(
    file: Path, members: int, steps: int, seed: int, out: Path | None, resume: Path | None
) -> None:
    """Train on the flow of PEMS08 (bin, sensor) and print MAE, RMSE and MAPE in the last line.

    12 steps in, 12 out; windows split 6:2:2 in time, chosen by the middle part alone; zeros are
    missing; figures are means over the 12 leads, of 3,567 test windows (arXiv 2310.06119). Members
    differ in their seed, and are judged by what they say on average. --out keeps them, as folders
    named seed-1 and so on, when all are trained. A processor works on one thread, so that the
    figures are the same whatever the number of its cores.
    """
    torch.set_num_threads(1)
    data = read_data(file, ASKED)
    jobs = [_job(data, steps, seed + number) for number in range(members)]
    folders = [out / f"seed-{job.plan.seed}" for job in jobs] if out else []
    for folder in folders:
        check_free(folder)
    models = [
        run_job(job, None, resume and resume.with_name(f"{resume.name}.{number}"))
        for number, job in enumerate(jobs, start=1)
    ]
    for folder, job, model in zip(folders, jobs, models, strict=False):  # none without --out
        save_model(folder, model, job.validated(model).overall())
        say_written(folder, model)
    found = judge(models, data, TESTED)
    open_console().print(accuracy_table(found))
    click.echo(one_line(found))


def _job(data: Data, steps: int, seed: int) -> Job:
    shares = Shares(VALIDATED, TESTED)
    return make_job(data, shares, steps=steps, patience=PATIENCE, seed=seed, **NETWORK)
