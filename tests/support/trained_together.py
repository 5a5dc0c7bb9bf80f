"""A small training that one process can run, or several that torch's launcher has started."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from tidecast.models.deep.processes import Processes
from tidecast.state.bins import BinGrid
from tidecast.state.cells import Cell
from tidecast.tools.deep.data import Data
from tidecast.tools.deep.job import Shares
from tidecast.tools.deep.launch import joined
from tidecast.tools.deep.run import run_job
from tidecast.tools.deep.train import make_job

__all__ = ["train_small"]

HOUR = 3_600_000_000


def train_small(out: Path, processes: Processes) -> None:
    """Train with batches of two parts, and write the model to ``out``."""
    hours = np.arange(150)[:, None, None]
    usual = (10.0 + 20.0 * np.arange(3)[:, None]) * (1.5 + np.sin(2 * np.pi * hours / 24))
    values = np.random.default_rng(1).poisson(usual).astype(np.float32)
    values[::7, 1] = np.nan  # parts have other numbers of known values
    cells = tuple(Cell(str(number), "all") for number in range(3))
    data = Data(values, ("flow",), cells, BinGrid(HOUR, "UTC"), 473_352, {})
    small = {"context_length": 6, "horizon": 3, "width": 8, "depth": 1}
    plan = {"steps": 24, "batch_size": 9, "warm_up": 4, "evaluate_every": 3, "parts": 2}
    run_job(make_job(data, Shares(), **small, **plan), out, None, processes)


if __name__ == "__main__":
    with joined() as together:
        train_small(Path(sys.argv[1]), together)
