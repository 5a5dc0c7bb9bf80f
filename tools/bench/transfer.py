"""``tidecast bench transfer``: what weights of one place are worth in another, after some days."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.table import Table

from tidecast.models.deep.adapters import PARTS
from tidecast.models.deep.course import Course
from tidecast.models.deep.folder import load_model
from tidecast.models.deep.history import slots_per_day
from tidecast.models.deep.model import Model
from tidecast.state.bins import iso
from tidecast.state.errors import SettingsError
from tidecast.tools.bench.transfer_run import (
    FRESH,
    Errors,
    Taught,
    Window,
    of_last_day,
    of_network,
    of_ridge,
)
from tidecast.tools.console import open_console
from tidecast.tools.deep.data import Asked, Data, bin_of, read_data
from tidecast.tools.deep.job import Shares
from tidecast.tools.deep.options import FILE
from tidecast.tools.deep.pretrain import UNSEEN
from tidecast.tools.deep.run import run_job
from tidecast.tools.deep.train import make_job
from tidecast.tools.output_file import OutputFile

__all__ = ["transfer"]

SPANS = (2, 7)
"""Days that are learnt from."""

AHEAD = 5
"""Days that are judged."""

TRIED = (Taught(60, 3e-3), Taught(180, 3e-3), Taught(180, 1e-2), Taught(540, 3e-3))
"""What every way is tuned over, each for itself."""

PENALTIES = (0.001, 0.01, 0.1, 1.0)
NETWORK: dict[str, Any] = {
    "backbone": "stid",
    "context_length": 24,
    "horizon": 12,
    "width": 32,
    "likelihood": "negative_binomial",
}
PRETRAINING = {"steps": 1000, "batch_size": 16}


@dataclass(frozen=True)
class Found:
    """Errors of a ``way`` in one window, the origin of which is told in ISO 8601."""

    days: int
    origin: str
    way: str
    seed: int
    errors: Errors


@click.command()
@click.argument("large", metavar="TABLE|NPZ", type=FILE)
@click.argument("small", metavar="TABLE|NPZ", type=FILE)
@click.option("--freq", default="1h", show_default=True, help="Width of a bin.")
@click.option("--missing", type=float, help="A value that means that none is known.")
@click.option("--after", metavar="DATE", required=True, help="Tune before, judge after it.")
@click.option("--windows", default=4, show_default=True, type=click.IntRange(1))
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1))
@click.option("--part", "parts", multiple=True, type=click.Choice(PARTS), default=("all",))
@click.option("--keep", type=click.Path(path_type=Path), help="Folder of pretrained models.")
@click.option("--json", "json_file", type=OutputFile(), help="Write every figure to a file.")
def transfer(
    large: Path,
    small: Path,
    freq: str,
    missing: float | None,
    after: str,
    windows: int,
    seeds: int,
    parts: tuple[str, ...],
    keep: Path | None,
    json_file: Path | None,
) -> None:
    """Pretrain on one place, fine-tune on some days of another, and judge the next five days.

    Beside a network that learns from these days alone, seasonal naive and ridge. Every way is tuned
    over the same settings, on the five days that end at --after.
    """
    here, there = (read_data(path, Asked(freq=freq, missing=missing)) for path in (large, small))
    models = [_pretrained(here, seed, keep) for seed in range(1, seeds + 1)]
    tuned_at, judged_at = _origins(there, after, windows)
    found = []
    for days in SPANS:
        trial = _Trial.tuned(there, models, days, tuned_at, (FRESH, *parts))
        for origin in judged_at:
            found += trial.run(origin)
    open_console().print(_table(found))
    if json_file is not None:
        told = [asdict(each) for each in found]
        json_file.write_text(json.dumps({"found": told}) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class _Trial:
    """All ways to forecast after so many ``days``, each as it was tuned; a model for each seed."""

    data: Data
    models: list[Model]
    days: int
    taught: dict[str, Taught]
    penalty: float

    @classmethod
    def tuned(
        cls, data: Data, models: list[Model], days: int, origin: int, ways: tuple[str, ...]
    ) -> _Trial:
        """Return the trial whose settings are the best at ``origin``."""
        window = Window.at(data, origin, (days, AHEAD), models[0])

        def error_of(way: str, taught: Taught) -> float:
            return of_network(window, models[0], way, taught, seed=1).mae

        taught = {way: min(TRIED, key=partial(error_of, way)) for way in ways}
        penalty = min(PENALTIES, key=lambda penalty: of_ridge(window, penalty).mae)
        _say(f"{days} days: {taught}, ridge with a penalty of {penalty}")
        return cls(data, models, days, taught, penalty)

    def run(self, origin: int) -> list[Found]:
        """Return the errors of all ways after ``origin``."""
        window = Window.at(self.data, origin, (self.days, AHEAD), self.models[0])
        day = iso(self.data.grid.start(self.data.first_bin + origin))[:10]
        found = [
            Found(self.days, day, "seasonal naive", 0, of_last_day(window)),
            Found(self.days, day, "ridge", 0, of_ridge(window, self.penalty)),
        ]
        for way, taught in self.taught.items():
            for seed, model in enumerate(self.models, start=1):
                errors = of_network(window, model, way, taught, seed)
                found.append(Found(self.days, day, way, seed, errors))
                _say(f"{self.days} days before {day}, {way}, seed {seed}: MAE {errors.mae:.3f}")
        return found


def _say(line: str) -> None:
    click.echo(line, err=True)


def _pretrained(data: Data, seed: int, keep: Path | None) -> Model:
    """Return the model of a seed; none of its cells is one of the other place."""
    folder = keep / f"masked-{seed}" if keep else None
    if folder is not None and folder.exists():
        return _without_cells(load_model(folder)[0])
    options = {**NETWORK, **PRETRAINING, "unseen": UNSEEN, "seed": seed}
    job = make_job(data, Shares(0.1, 0.0), Course("masked"), **options)
    return _without_cells(run_job(job, folder, None))


def _without_cells(model: Model) -> Model:
    return replace(model, cells=())


def _origins(data: Data, after: str, n_windows: int) -> tuple[int, list[int]]:
    """Return the bin at which ways are tuned, and those at which they are judged, evenly apart.

    Raises
    ------
    SettingsError
        When there are too few days before or after.
    """
    day = slots_per_day(data.grid)
    begun = bin_of(data.grid, datetime.fromisoformat(after)) - data.first_bin
    tuned = begun - AHEAD * day
    first, last = begun + max(SPANS) * day, len(data.values) - AHEAD * day
    if tuned < max(SPANS) * day or last < first:
        raise SettingsError(
            f"--after {after}: {max(SPANS) + AHEAD} days must lie before it, and as many after it"
        )
    days_apart = np.linspace(0, (last - first) // day, n_windows).astype(int)
    return tuned, [first + day * int(apart) for apart in days_apart]


def _table(found: list[Found]) -> Table:
    """Return a row for each span and way, means over windows and seeds."""
    table = Table(box=None, pad_edge=False)
    for head in ("days", "way", "MAE", "seeds", "RMSE", "pinball", f"MAE to {FRESH}"):
        table.add_column(head, justify="left" if head == "way" else "right", no_wrap=True)
    for days in SPANS:
        ways = dict.fromkeys(each.way for each in found if each.days == days)
        errors = {way: [f for f in found if (f.days, f.way) == (days, way)] for way in ways}
        fresh = _mean(errors[FRESH], "mae")
        for way, of_way in errors.items():
            change = _mean(of_way, "mae") / fresh - 1.0
            table.add_row(str(days), way, *_row(of_way), f"{change:+.1%}")
    return table


def _row(found: list[Found]) -> tuple[str, str, str, str]:
    """Return MAE, its range over seeds, RMSE and pinball."""
    seeds = sorted({each.seed for each in found})
    by_seed = [_mean([f for f in found if f.seed == seed], "mae") for seed in seeds]
    ranged = f"{min(by_seed):.3f}-{max(by_seed):.3f}" if len(seeds) > 1 else ""
    pinball = "" if found[0].errors.pinball is None else f"{_mean(found, 'pinball'):.3f}"
    return f"{_mean(found, 'mae'):.3f}", ranged, f"{_mean(found, 'rmse'):.3f}", pinball


def _mean(found: list[Found], name: str) -> float:
    return math.fsum(getattr(each.errors, name) for each in found) / len(found)
