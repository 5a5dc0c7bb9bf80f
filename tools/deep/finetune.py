"""``tidecast deep finetune``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from tidecast.models.deep.adapters import PARTS
from tidecast.models.deep.config import NetworkConfig
from tidecast.models.deep.course import Course
from tidecast.models.deep.folder import load_model
from tidecast.models.deep.history import slots_per_day
from tidecast.models.deep.model import Model
from tidecast.models.deep.schedule import TrainingPlan
from tidecast.tools.deep.data import Asked, Data, read_data
from tidecast.tools.deep.job import Job, Shares, grid_of
from tidecast.tools.deep.launch import joined
from tidecast.tools.deep.options import FILE, SHARE, data_options
from tidecast.tools.deep.run import run_job
from tidecast.tools.deep.train import say_written
from tidecast.tools.deep.trained import check_kind

__all__ = [
    "BATCH_SIZE",
    "LEARNING_RATE",
    "finetune",
    "finetuning",
    "tuning_plan",
    "usual_steps",
]

TIMES = 16
"""That each window is learnt from: best for two days and for seven (`tidecast bench transfer`)."""

MOST_STEPS = 3000
LEARNING_RATE, BATCH_SIZE = 3e-3, 4
COUNT = click.IntRange(1)
RATE = click.FloatRange(0, min_open=True)


@click.command("finetune")
@click.argument("file", metavar="TABLE|NPZ", type=FILE)
@data_options
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder of the model to begin with.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the model.")
@click.option(
    "--part", type=click.Choice(PARTS), default="all", show_default=True, help="What learns."
)
@click.option("--new-cells", is_flag=True, help="Cells are others, though named as the model's.")
@click.option("--steps", type=COUNT, help="Batches, at most; default: every window 16 times.")
@click.option(
    "--learning-rate", type=RATE, default=LEARNING_RATE, show_default=True, help="The highest."
)
@click.option(
    "--batch-size", type=COUNT, default=BATCH_SIZE, show_default=True, help="Windows of a batch."
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
@click.option("--validate", type=SHARE, default=0, show_default=True, help="Share to judge by.")
@click.option("--test", type=SHARE, default=0.2, show_default=True, help="Share not looked at.")
@click.option("--resume", type=FILE, help="Keep the state here; stopped, the same command goes on.")
def finetune(
    file: Path,
    source: Path,
    out: Path,
    part: str,
    new_cells: bool,
    steps: int | None,
    learning_rate: float,
    batch_size: int,
    seed: int,
    validate: float,
    test: float,
    resume: Path | None,
    **options: Any,
) -> None:
    """Go on training the model --from on a TABLE or an NPZ, and write it to --out.

    Cells that the model does not know begin as unseen ones. Days are enough; where there is too
    little to judge by, it ends after --steps.
    """
    model, _ = load_model(source)
    data = read_data(file, Asked(**options))
    check_kind(model, data)
    begin = replace(model, cells=()) if new_cells else model
    shares = Shares(validate, test)
    steps = steps or usual_steps(data, model, shares, batch_size)
    plan = tuning_plan(steps, learning_rate, batch_size, seed)
    with joined() as processes:
        shared = plan.model_copy(update={"parts": processes.size})
        tuned = run_job(finetuning(data, begin, part, shared, shares), out, resume, processes)
    if processes.is_first:
        say_written(out, tuned)


def usual_steps(data: Data, model: Model, shares: Shares, batch_size: int) -> int:
    """Return after how many batches each window was learnt from `TIMES`, or `MOST_STEPS`."""
    config = model.network.config
    n_windows = len(data.values) - config.least_context - config.horizon + 1
    learnt = n_windows * (1.0 - shares.validated - shares.tested)
    return max(1, min(MOST_STEPS, round(TIMES * learnt / batch_size)))


def tuning_plan(steps: int, learning_rate: float, batch_size: int, seed: int) -> TrainingPlan:
    """Return a short plan: the rate is highest after a fifth of the steps."""
    return TrainingPlan(
        steps=steps,
        learning_rate=learning_rate,
        batch_size=batch_size,
        seed=seed,
        warm_up=steps // 5,
        evaluate_every=max(1, steps // 10),
    )


def finetuning(data: Data, model: Model, part: str, plan: TrainingPlan, shares: Shares) -> Job:
    """Return the training that goes on with a ``part`` of ``model`` on ``data``.

    Raises
    ------
    SettingsError
        When the data are of another kind.
    """
    was = model.network.config.model_dump(exclude={"unseen"})
    of_data = {
        "n_cells": len(data.cells),
        "n_series": len(data.series),
        "slots_per_day": slots_per_day(data.grid),
        "n_future": len(data.names("known")),
        "n_static": len(data.names("static")),
        "grid": grid_of(data),
    }
    config = NetworkConfig.model_validate({**was, **of_data})
    return Job(data, config, plan, shares, Course(part=part, source=model))
