"""Run a backtest over its slabs: progress while it runs; stopped, it goes on later."""

from __future__ import annotations

import time

import click

from tidecast.models.evaluate.backtest import Backtest
from tidecast.streams.backtest.sources import Slabs
from tidecast.tools.backtest.resume import Resume
from tidecast.tools.progress import count_progress
from tidecast.tools.stoppable import stoppable

__all__ = ["run_backtest"]

SAVE_SECONDS = 60.0


def run_backtest(backtest: Backtest, slabs: Slabs, resume: Resume | None = None) -> int:
    """Step through all slabs, from where ``resume`` left off; return how many are done.

    Ctrl-C, or being told to end, stops it after the bin at hand; less than ``slabs.total`` are
    done then.
    """
    done = 0
    if resume:
        done = resume.load(backtest)
        resume.save(backtest, done)  # what cannot be written fails now, not in a minute
    if done:
        click.echo(f"goes on after {done:,} of {slabs.total:,} bins", err=True)
    saved, begun = done, time.monotonic()
    doing = backtest.beside.race.doing if backtest.beside else str
    progress = count_progress("backtest", slabs.total, "bins", doing, done)
    with stoppable() as stop, progress as advance:
        for slab, cells in slabs.after(done):
            backtest.step(slab, cells, slabs.positions(cells))
            done += 1
            advance(1)
            if resume and time.monotonic() - begun > SAVE_SECONDS:
                resume.save(backtest, done)
                saved, begun = done, time.monotonic()
            if stop.is_set():
                break
    if resume and saved < done:
        resume.save(backtest, done)
    if done == slabs.total:
        backtest.end()
    return done
