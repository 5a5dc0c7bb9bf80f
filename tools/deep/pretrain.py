"""``tidecast deep pretrain``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tidecast.models.deep.course import Course
from tidecast.models.deep.pretraining import TASKS
from tidecast.tools.deep.job import Shares
from tidecast.tools.deep.train import train, train_network

__all__ = ["UNSEEN", "pretrain"]

UNSEEN = 0.5
"""Share of cells that pass for unseen ones: those of another shop all begin as such."""

TASK = click.Option(
    ["--task"],
    type=click.Choice(sorted(TASKS)),
    default="masked",
    show_default=True,
    help="Ask for hidden stretches of a window, or at every step for the next bin.",
)


@click.command("pretrain", params=[*train.params, TASK])
def pretrain(
    file: Path,
    out: Path,
    task: str,
    validate: float,
    test: float,
    resume: Path | None,
    **options: Any,
) -> None:
    """Train a network that others begin with, on a TABLE or an NPZ, and write it to --out.

    It learns a task besides its forecasts. `tidecast deep finetune` goes on, with other cells too.
    """
    shares = Shares(validate, test)
    train_network(file, out, shares, resume, Course(task), {**options, "unseen": UNSEEN})
