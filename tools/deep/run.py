"""Run a training: progress while it runs; stopped, the same command goes on."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import click

from tidecast.models.deep.folder import check_free, save_model
from tidecast.models.deep.model import Model
from tidecast.models.deep.processes import ALONE, Processes
from tidecast.models.deep.training import Progress, Trainer, TrainingState
from tidecast.models.deep.unfinished import check_kept, load_training, save_training
from tidecast.state.errors import CheckpointError
from tidecast.tools.deep.job import Job
from tidecast.tools.progress import count_progress
from tidecast.tools.stoppable import stoppable

__all__ = ["run_job"]

SAVE_SECONDS = 60.0
FINGERPRINT = "fingerprint"


def run_job(job: Job, out: Path | None, resume: Path | None, processes: Processes = ALONE) -> Model:
    """Train, write the model to ``out`` and return it; Ctrl-C keeps the state in ``resume``.

    Of several ``processes`` the first one writes and speaks.

    Raises
    ------
    CheckpointError
        When ``out`` is there already or cannot be written, or ``resume`` is of other data or
        options.
    """
    if out is not None:
        check_free(out)
    trainer = job.trainer(processes)
    keeper = _Keeper(resume, job.fingerprint(), processes) if resume else None
    if keeper:
        keeper.load(trainer)
    begun, first = time.monotonic(), trainer.step_number
    _run(trainer, keeper, processes)
    seconds = time.monotonic() - begun
    if keeper:
        keeper.save(trainer)
    if not trainer.done:
        hint = "; the same command goes on" if keeper else "; with --resume it could go on"
        _say(f"stopped after {trainer.step_number:,} steps{hint}", processes)
        raise click.Abort
    rate = (trainer.step_number - first) * job.plan.batch_size / max(seconds, 1e-9)
    judged = f"; best validation loss {trainer.best:.4f}" if job.shares.validated else ""
    _say(
        f"{trainer.step_number:,} steps on {trainer.device}, {seconds:,.0f} s, "
        f"{rate:,.0f} windows/s{judged}",
        processes,
    )
    model = job.model(trainer)
    if out is not None and processes.is_first:
        found = job.validated(model).overall() if job.shares.validated else {}
        save_model(out, model, {**found, "seconds": round(seconds, 1)})
    return model


def _run(trainer: Trainer, keeper: _Keeper | None, processes: Processes) -> None:
    """Train until it is done, or one of the processes is told to stop."""
    with stoppable() as stop, _progress(trainer, processes) as advance:
        report = _reporter(trainer, advance, processes)
        while not (trainer.done or processes.any(stop.is_set(), trainer.device)):
            trainer.run(report, steps=1)
            if keeper:
                keeper.save_sometimes(trainer)


def _progress(
    trainer: Trainer, processes: Processes
) -> AbstractContextManager[Callable[[int], None]]:
    if processes.is_first:
        before = trainer.step_number
        return count_progress("training", trainer.plan.steps, "steps", before=before)
    return nullcontext(lambda _: None)


def _say(text: str, processes: Processes) -> None:
    if processes.is_first:
        click.echo(text, err=True)


class _Keeper:
    """The file in which unfinished training is kept; ``fingerprint`` is of all it depends on.

    The first of ``processes`` writes it, all of them read it.
    """

    def __init__(self, path: Path, fingerprint: str, processes: Processes) -> None:
        self._path = path
        self._fingerprint = fingerprint
        self._processes = processes
        self._saved = time.monotonic()

    def load(self, trainer: Trainer) -> None:
        """Restore what was kept, if anything was.

        Raises
        ------
        CheckpointError
            When it is of other data or options, or no state can be kept there.
        """
        if self._processes.is_first:
            check_kept(self._path)
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
        """Keep the state; a full disk keeps the one before, and training goes on."""
        self._saved = time.monotonic()
        if not self._processes.is_first:
            return
        state = trainer.snapshot()
        values = {**state.values, FINGERPRINT: self._fingerprint}
        try:
            save_training(self._path, TrainingState(values, state.tensors))
        except CheckpointError as error:
            click.echo(f"the state of step {trainer.step_number:,} is not kept: {error}", err=True)

    def save_sometimes(self, trainer: Trainer) -> None:
        """Keep the state where that was not done lately."""
        if time.monotonic() - self._saved > SAVE_SECONDS:
            self.save(trainer)


def _reporter(
    trainer: Trainer, advance: Callable[[int], None], processes: Processes
) -> Callable[[Progress], None]:
    every = trainer.plan.evaluate_every
    losses: list[float] = []

    def report(progress: Progress) -> None:
        advance(1)
        losses.append(progress.loss)
        if progress.step % every == 0:
            told = f"step {progress.step:,}: loss {math.fsum(losses) / len(losses):.4f}"
            losses.clear()
            if math.isfinite(progress.validated):
                told += f", validation {progress.validated:.4f}"
            _say(told, processes)

    return report
