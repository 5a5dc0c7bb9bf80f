"""``tidecast bench step``: one bin step of the forecaster, by number of cells."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from time import process_time

import click
import numpy as np
from rich.table import Table

from tidecast.models.coherent import CoherentForecaster
from tidecast.models.forecaster import Forecaster
from tidecast.models.periodic.artifact import fit
from tidecast.models.periodic.examples import TrainingRows
from tidecast.models.periodic.features import FEATURES
from tidecast.models.periodic.trees import TreesExpert
from tidecast.models.profile import ForecastProfile
from tidecast.state.bins import HOUR, BinGrid
from tidecast.state.cells import Cell
from tidecast.state.errors import TidecastError
from tidecast.state.settings.experts import DEFAULT_EXPERTS, EXPERT_NAMES
from tidecast.state.slabs import Slab
from tidecast.tools.bench.memory import peak_mib
from tidecast.tools.bench.options import sizes
from tidecast.tools.bench.timed import TimedExpert, loop_seconds
from tidecast.tools.console import open_console

__all__ = ["StepRun", "fitted_trees", "measure_step", "step"]

FIRST_BIN = 480_000  # an hour in 2024
MEASURED_BINS = 5
ROWS, ROWS_OF_AN_ORIGIN = 60_000, 200  # that trees are fitted to: enough for all their leaves
MORE = click.Choice([name for name in EXPERT_NAMES if name not in DEFAULT_EXPERTS])


@dataclass(frozen=True)
class StepRun:
    """What one bin step took: the median processor time, the peak memory of the process."""

    cells: int
    series: int
    horizon: int
    seconds_per_bin: float
    peak_mib: float
    experts: dict[str, float]
    """Seconds a bin of each expert, within those of the step."""
    loop_seconds: float
    """Seconds a bin of a loop over one River SNARIMAX per cell and series, for comparison."""


def measure_step(
    cells: int, series: int, horizon: int, more: Sequence[str] = (), warm_bins: int = 30
) -> StepRun:
    """Step a forecaster through made-up hourly counts, and measure the last steps.

    It asks the default experts and ``more``. After ``warm_bins``, more than a day and the horizon,
    every expert has started and every lead is scored. Trees are awake from the first bin on.
    """
    grid = BinGrid(HOUR)
    profile = ForecastProfile(
        series=tuple(f"series_{number}" for number in range(series)),
        grid=grid,
        horizon=horizon,
        quantile_levels=(0.05, 0.1, 0.5, 0.9, 0.95),
        season_lengths=grid.season_lengths(),
        experts=(*DEFAULT_EXPERTS, *more),
        reach=600_000_000 + 2 * HOUR,  # of the default allowed_lateness
    )
    forecaster = CoherentForecaster(Forecaster(profile))
    for expert in forecaster.cells.panel.experts:
        if isinstance(expert, TreesExpert):
            expert.swap(fitted_trees(series, horizon))
    timed = [TimedExpert(expert) for expert in forecaster.cells.panel.experts]
    forecaster.cells.panel.experts = tuple(timed)
    names = _shop(cells)
    positions = {cell.region: (number % 60.0, number / 100) for number, cell in enumerate(names)}
    random = np.random.default_rng(cells)
    seconds, of_experts = [], []
    for bin_ in range(FIRST_BIN, FIRST_BIN + warm_bins + MEASURED_BINS):
        slab = Slab(bin_, random.poisson(3.0, (cells, series)).astype(np.float64))
        start = process_time()
        forecaster.step(slab, names, positions)
        seconds.append(process_time() - start)
        of_experts.append([expert.seconds for expert in timed])
    usual = np.median(of_experts[-MEASURED_BINS:], axis=0).tolist()
    return StepRun(
        cells=cells,
        series=series,
        horizon=horizon,
        seconds_per_bin=median(seconds[-MEASURED_BINS:]),
        peak_mib=peak_mib(),
        experts=dict(zip(profile.experts, usual, strict=True)),
        loop_seconds=loop_seconds(cells * series, horizon),
    )


def fitted_trees(series: int, horizon: int) -> list[bytes]:
    """Return trees for each series, as many and as large as they get, fitted to made-up rows.

    Counts without a rhythm, as a step is measured on, would teach them nothing for a week or more.
    """
    random = np.random.default_rng(0)
    features = random.normal(size=(ROWS, len(FEATURES)))
    row = np.arange(ROWS)
    rows = TrainingRows(
        features.astype(np.float16),
        features.sum(axis=1).astype(np.float32),
        np.ones(ROWS, np.float32),
        row // ROWS_OF_AN_ORIGIN,
        (1 + row % horizon).astype(np.int32),
    )
    return [fit(rows)] * series


def _shop(cells: int) -> list[Cell]:
    """Return cells of a shop with about as many regions as categories."""
    side = max(1, int(cells**0.5))
    return [Cell(f"region {n // side}", f"category {n % side}") for n in range(cells)]


@click.command()
@click.option(
    "--cells",
    default="100,1000,10000",
    show_default=True,
    callback=sizes,
    help="Numbers of cells, joined by commas.",
)
@click.option("--series", default=3, show_default=True, type=click.IntRange(min=1))
@click.option("--horizon", default=12, show_default=True, type=click.IntRange(min=1))
@click.option("--with", "more", type=MORE, multiple=True, help="Ask an expert more.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def step(cells: list[int], series: int, horizon: int, more: tuple[str, ...], as_json: bool) -> None:
    """Measure one bin step of the default experts on one core, and how it grows with cells.

    A step scores, learns, forecasts, blends, reconciles and calibrates. Each run has a process of
    its own, whose peak memory is told. The time is processor time, of the whole and of each expert
    of the cells; for comparison, that of a loop over one River SNARIMAX per cell and series.
    """
    runs = [_measure_apart(size, series, horizon, more) for size in cells]
    if as_json:
        click.echo(json.dumps({"runs": [asdict(run) for run in runs]}))
    else:
        open_console().print(_table(runs), _of_experts(runs))


def _measure_apart(cells: int, series: int, horizon: int, more: Sequence[str]) -> StepRun:
    """Measure in a fresh process that computes on one core."""
    command = [sys.executable, "-m", __name__, str(cells), str(series), str(horizon), *more]
    one_core = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env={**os.environ, **one_core}
    )
    if done.returncode:
        raise TidecastError(f"the measuring process of {cells} cells failed: {done.stderr.strip()}")
    return StepRun(**json.loads(done.stdout))


def _table(runs: list[StepRun]) -> Table:
    table = Table("cells", "series", "horizon", "ms per bin", "µs per cell", "peak MiB")
    for run in runs:
        table.add_row(
            f"{run.cells:,}",
            str(run.series),
            str(run.horizon),
            f"{1e3 * run.seconds_per_bin:.1f}",
            f"{1e6 * run.seconds_per_bin / run.cells:.1f}",
            f"{run.peak_mib:.0f}",
        )
    return table


def _of_experts(runs: list[StepRun]) -> Table:
    table = Table("ms per bin", *(f"{run.cells:,} cells" for run in runs))
    for expert in runs[0].experts:
        table.add_row(expert, *(f"{1e3 * run.experts[expert]:.1f}" for run in runs))
    loop = [f"{1e3 * run.loop_seconds:,.0f}" for run in runs]
    table.add_row("River's SNARIMAX, cell by cell", *loop)
    return table


if __name__ == "__main__":
    size, n_series, leads, *names = sys.argv[1:]
    print(json.dumps(asdict(measure_step(int(size), int(n_series), int(leads), names))))
