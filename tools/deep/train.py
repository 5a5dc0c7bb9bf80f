"""``tidecast deep train``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from tidecast.models.deep.backbones import BACKBONES
from tidecast.models.deep.config import NetworkConfig, NormaliseBy
from tidecast.models.deep.course import PLAIN, Course
from tidecast.models.deep.device import pick_device
from tidecast.models.deep.history import slots_per_day
from tidecast.models.deep.likelihoods import LIKELIHOODS
from tidecast.models.deep.model import Model
from tidecast.models.deep.schedule import TrainingPlan
from tidecast.models.deep.season import DAYS
from tidecast.state.errors import SettingsError
from tidecast.state.settings.base import DAY
from tidecast.tools.deep.data import Asked, Data, read_data
from tidecast.tools.deep.job import Job, Shares, grid_of
from tidecast.tools.deep.launch import joined
from tidecast.tools.deep.options import FILE, SHARE, data_options
from tidecast.tools.deep.run import run_job

__all__ = ["make_job", "say_written", "train", "train_network"]

AUTO = "auto"
PLANNED = frozenset(TrainingPlan.model_fields)
OF_NETWORK = (
    "backbone",
    "context_length",
    "horizon",
    "width",
    "depth",
    "likelihood",
    "latent",
    "unseen",
)
WIDTHS = {"cpu": 64, "cuda": 128}
"""Of a state, by the device: a GPU has hardly anything to do with the smaller."""

CHOSEN = (*OF_NETWORK, "steps", "batch_size", "parts", "seed")


@click.command("train")
@click.argument("file", metavar="TABLE|NPZ", type=FILE)
@data_options
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the model.")
@click.option("--backbone", type=click.Choice(sorted(BACKBONES)), default="stid", show_default=True)
@click.option(
    "--context", "context_length", type=int, default=24, show_default=True, help="Bins seen."
)
@click.option("--horizon", type=int, default=12, show_default=True, help="Bins ahead.")
@click.option("--width", type=int, help="Channels of a state; default: 64, on a GPU 128.")
@click.option("--depth", type=int, default=3, show_default=True, help="Layers.")
@click.option(
    "--likelihood",
    type=click.Choice([AUTO, *LIKELIHOODS]),
    default=AUTO,
    show_default=True,
    help="What the mean is learnt by; auto: negative_binomial of whole numbers, else normal.",
)
@click.option(
    "--latent", type=int, default=0, help="Values that futures share: for `tidecast deep simulate`."
)
@click.option("--steps", type=int, default=3000, show_default=True, help="Batches, at most.")
@click.option("--batch-size", type=int, default=32, show_default=True, help="Windows of a batch.")
@click.option("--parts", type=int, help="Parts of a batch, shared by processes; default: as many.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--validate", type=SHARE, default=0.2, show_default=True, help="Share to judge by.")
@click.option("--test", type=SHARE, default=0.2, show_default=True, help="Share not looked at.")
@click.option("--resume", type=FILE, help="Keep the state here; stopped, the same command goes on.")
def train(
    file: Path, out: Path, validate: float, test: float, resume: Path | None, **options: Any
) -> None:
    """Train a network on a long TABLE, or on an array (bin, cell) of an NPZ, and write it to --out.

    The last share of the windows, --test, is not looked at: `tidecast deep evaluate` is for it.
    """
    train_network(file, out, Shares(validate, test), resume, PLAIN, options)


def train_network(
    file: Path,
    out: Path,
    shares: Shares,
    resume: Path | None,
    course: Course,
    options: dict[str, Any],
) -> None:
    """Train a new network on ``file``, and write it to ``out``; ``options`` as of `train`."""
    chosen = {name: options.pop(name) for name in CHOSEN if name in options}
    data = read_data(file, Asked(**options))
    if chosen["likelihood"] == AUTO:
        chosen["likelihood"] = "negative_binomial" if data.are_counts() else "normal"
    if chosen["width"] is None:
        chosen["width"] = WIDTHS[pick_device().type]
    with joined() as processes:
        chosen["parts"] = chosen["parts"] or processes.size
        job = make_job(data, shares, course, **chosen)
        model = run_job(job, out, resume, processes)
    if processes.is_first:
        say_written(out, model)


def say_written(out: Path, model: Model) -> None:
    """Tell that ``model`` was written."""
    n_weights = sum(weight.numel() for weight in model.network.parameters())
    click.echo(f"wrote {out}: {n_weights:,} weights, {len(model.cells):,} cells")


def make_job(data: Data, shares: Shares, course: Course = PLAIN, **options: Any) -> Job:
    """Return the training of a network on ``data``.

    Raises
    ------
    SettingsError
        When an option is impossible.
    """
    try:
        config = NetworkConfig(
            n_cells=len(data.cells),
            n_series=len(data.series),
            n_future=len(data.names("known")),
            n_static=len(data.names("static")),
            slots_per_day=slots_per_day(data.grid),
            grid=grid_of(data),
            normalise=_normalised(data, options["context_length"]),
            **{name: value for name, value in options.items() if name not in PLANNED},
        )
        plan = TrainingPlan(**{n: value for n, value in options.items() if n in PLANNED})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise SettingsError(f"{name} = {first['input']}: {first['msg']}") from error
    return Job(data, config, plan, shares, course)


def _normalised(data: Data, context: int) -> NormaliseBy:
    """Return ``season`` where a context shows the hours of a week twice or more often."""
    slots, width = slots_per_day(data.grid), data.grid.width
    has_hours = width != "day" and slots > 1 and slots * width == DAY
    return "season" if has_hours and context >= 2 * DAYS * slots else "window"
