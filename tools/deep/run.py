"""Run a training: progress while it runs; stopped, the same command goes on."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import click

from tidecast.models.deep.folder import load_training, save_model, save_training
from tidecast.models.deep.model import Model
from tidecast.models.deep.training import Progress, Trainer, TrainingState
from tidecast.state.errors import CheckpointError
from tidecast.tools.deep.job import Job
from tidecast.tools.progress import count_progress
from tidecast.tools.stoppable import stoppable

__all__ = ["run_job"]

SAVE_SECONDS = 60.0
FINGERPRINT = "fingerprint"


def run_job(job: Job, out: Path | None, resume: Path | None) -> Model:
    """Train, write the model to ``out`` and return it; Ctrl-C keeps the state in ``resume``.

    Raises
    ------
    CheckpointError
        When ``out`` is there already, or ``resume`` is of other data or options.
    """
    if out is not None and out.exists():
        raise CheckpointError(f"{out} is there already: give another folder, or remove it")
    trainer = job.trainer()
    keeper = _Keeper(resume, job.fingerprint()) if resume else None
    if keeper:
        keeper.load(trainer)
    begun, first = time.monotonic(), trainer.step_number
    _run(trainer, keeper)
    seconds = time.monotonic() - begun
    if keeper:
        keeper.save(trainer)
    if not trainer.done:
        hint = "; the same command goes on" if keeper else "; with --resume it could go on"
        click.echo(f"stopped after {trainer.step_number:,} steps{hint}", err=True)
        raise click.Abort
    rate = (trainer.step_number - first) * job.plan.batch_size / max(seconds, 1e-9)
    judged = f"; best validation loss {trainer.best:.4f}" if job.shares.validated else ""
    click.echo(
        f"{trainer.step_number:,} steps on {trainer.device}, {seconds:,.0f} s, "
        f"{rate:,.0f} windows/s{judged}",
        err=True,
    )
    model = job.model(trainer)
    if out is not None:
        found = job.validated(model).overall() if job.shares.validated else {}
        save_model(out, model, {**found, "seconds": round(seconds, 1)})
    return model


def _run(trainer: Trainer, keeper: _Keeper | None) -> None:
    """Train until it is done, or told to stop."""
    with stoppable() as stop, count_progress("training", trainer.plan.steps, "steps") as advance:
        advance(trainer.step_number)
        report = _reporter(trainer, advance)
        while not (trainer.done or stop.is_set()):
            trainer.run(report, steps=1)
            if keeper:
                keeper.save_sometimes(trainer)


class _Keeper:
    """The file in which unfinished training is kept; ``fingerprint`` is of all it depends on."""

    def __init__(self, path: Path, fingerprint: str) -> None:
        self._path = path
        self._fingerprint = fingerprint
        self._saved = time.monotonic()

    def load(self, trainer: Trainer) -> None:
        """Restore what was kept, if anything was."""
        if not self._path.exists():
            return
        state = load_training(self._path)
        if state.values.get(FINGERPRINT) != self._fingerprint:
            raise CheckpointError(
                f"{self._path} belongs to a training of other data or options: give the same as "
                "then, or another file with --resume"
            )
        trainer.restore(state)

    def save(self, trainer: Trainer) -> None:
        """Keep the state."""
        state = trainer.snapshot()
        values = {**state.values, FINGERPRINT: self._fingerprint}
        save_training(self._path, TrainingState(values, state.tensors))
        self._saved = time.monotonic()

    def save_sometimes(self, trainer: Trainer) -> None:
        """Keep the state where that was not done lately."""
        if time.monotonic() - self._saved > SAVE_SECONDS:
            self.save(trainer)


def _reporter(trainer: Trainer, advance: Callable[[int], None]) -> Callable[[Progress], None]:
    every = trainer.plan.evaluate_every
    losses: list[float] = []

    def report(progress: Progress) -> None:
        advance(1)
        losses.append(progress.loss)
        if progress.step % every == 0:
            mean = math.fsum(losses) / len(losses)
            losses.clear()
            click.echo(
                f"step {progress.step:,}: loss {mean:.4f}, validation {progress.validated:.4f}",
                err=True,
            )

    return report
