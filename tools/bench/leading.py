"""``tidecast bench leading``: orders forecast with the clicks that lead them, and without."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import click
import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from tidecast.models.forecaster import Forecaster
from tidecast.models.online.leading import LeadingExpert
from tidecast.models.profile import ForecastProfile
from tidecast.state.bins import HOUR, BinGrid
from tidecast.state.cells import Cell
from tidecast.state.slabs import Slab
from tidecast.tools.console import open_console
from tidecast.tools.progress import count_progress

__all__ = ["LeadRun", "leading", "made_up_shop", "measure"]

FIRST_BIN = 480_000  # a Wednesday in 2024
WEEK = 168
CONVERSION = 0.1
PROMOTIONS = 0.4
"""Spread of the logarithm of the waves that promotions make."""

WAVE = 4.0
"""Bins that a wave lasts."""

Values = NDArray[np.float64]


@dataclass(frozen=True)
class LeadRun:
    """Errors of orders at one lead, roots of their mean squares.

    ``lags`` tell how many bins before orders the clicks lie that were found to lead them.
    ``by_chance`` is the error of who knows all clicks, and how many of them become orders.
    """

    lead: int
    lags: tuple[int, ...]
    with_clicks: float
    without: float
    by_chance: float


@click.command()
@click.option("--lag", default=3, show_default=True, type=click.IntRange(min=1))
@click.option("--horizon", default=6, show_default=True, type=click.IntRange(1, 24))
@click.option("--weeks", default=6, show_default=True, type=click.IntRange(min=3))
@click.option("--cells", default=24, show_default=True, type=click.IntRange(min=1))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def leading(lag: int, horizon: int, weeks: int, cells: int, as_json: bool) -> None:
    """Forecast the orders of a made-up shop with its clicks, and without.

    A tenth of the clicks of an hour, give or take chance, become orders LAG hours later; promotions
    raise and lower clicks for some hours. Told are the lags that were found at the end, and the
    errors of orders over the last two weeks.
    """
    shop = made_up_shop(lag, weeks, cells)
    with count_progress("leading", 2 * len(shop), "bins") as advance:
        runs = measure(shop, lag, horizon, lambda: advance(1))
    if as_json:
        click.echo(json.dumps({"runs": [asdict(run) for run in runs]}))
    else:
        open_console().print(_table(runs))


def made_up_shop(lag: int, n_weeks: int, n_cells: int) -> Values:
    """Return hourly clicks, and orders ``lag`` bins later: (bin, cell, series).

    It is the same every time. Days and weeks have a shape; half of a wave is of all cells together.
    """
    random = np.random.default_rng(7)
    hour = np.arange(n_weeks * WEEK)[:, None]
    day = 1.0 + 0.8 * np.sin(2 * np.pi * (hour - 8 - random.uniform(0, 3, n_cells)) / 24)
    week = 1.0 + 0.3 * ((hour // 24) % 7 >= 5)
    level = np.exp(random.uniform(np.log(20.0), np.log(400.0), n_cells))
    waves = _waves(random, len(hour), n_cells) + _waves(random, len(hour), 1)
    factor = np.exp(PROMOTIONS * np.sqrt(0.5) * waves - PROMOTIONS**2 / 2)
    clicks = random.poisson(level * day * week * factor)
    before = np.concatenate([(level * day * week)[:lag], clicks[:-lag]])
    orders = random.poisson(CONVERSION * before)
    return np.stack([clicks, orders], axis=2).astype(np.float64)


def _waves(random: np.random.Generator, n_bins: int, n_cells: int) -> Values:
    """Return waves of spread 1 that last some bins: (bin, cell)."""
    kept = np.exp(-1.0 / WAVE)
    waves = random.normal(size=(n_bins, n_cells))
    for now, before in zip(waves[1:], waves, strict=False):
        now[:] = kept * before + np.sqrt(1.0 - kept**2) * now
    return waves


def measure(
    shop: Values, lag: int, horizon: int, advance: Callable[[], None] = lambda: None
) -> list[LeadRun]:
    """Forecast orders by the default experts, with clicks and without: a run for every lead."""
    model, with_clicks = _errors(shop, ("clicks", "orders"), horizon, advance)
    _, without = _errors(shop[:, :, 1:], ("orders",), horizon, advance)
    found = next(expert for expert in model.panel.experts if isinstance(expert, LeadingExpert))
    rate = CONVERSION * shop[-2 * WEEK - lag : -lag, :, 0]
    return [
        LeadRun(
            lead=lead,
            lags=tuple(sorted(lag for _, lag in found.lags["orders"][lead - 1])),
            with_clicks=with_clicks[lead - 1],
            without=without[lead - 1],
            by_chance=float(np.sqrt(rate.mean())),
        )
        for lead in range(1, horizon + 1)
    ]


def _errors(
    shop: Values, series: tuple[str, ...], horizon: int, advance: Callable[[], None]
) -> tuple[Forecaster, list[float]]:
    """Return the forecaster at the end, and errors of its last series over two weeks, by lead."""
    grid, levels = BinGrid(HOUR), (0.1, 0.5, 0.9)
    model = Forecaster(ForecastProfile(series, grid, horizon, levels, grid.season_lengths()))
    cells = [Cell(f"region {number}", "shoes") for number in range(shop.shape[1])]
    errors = np.zeros(horizon)
    for place, values in enumerate(shop):
        if place >= len(shop) - 2 * WEEK:
            for due in model.said_of(FIRST_BIN + place):
                errors[due.lead - 1] += ((due.means[0, -1] - values[:, -1]) ** 2).mean()
        model.step(Slab(FIRST_BIN + place, values), cells, {})
        advance()
    return model, np.sqrt(errors / (2 * WEEK)).tolist()


def _table(runs: Sequence[LeadRun]) -> Table:
    table = Table(title="Error of orders (RMSE), over the last two weeks")
    table.add_column("lead")
    table.add_column("clicks found to lead, bins before")
    for heading in ("with clicks", "without", "less by", "by chance alone"):
        table.add_column(heading, justify="right")
    for run in runs:
        table.add_row(
            str(run.lead),
            ", ".join(map(str, run.lags)),
            f"{run.with_clicks:.2f}",
            f"{run.without:.2f}",
            f"{1 - run.with_clicks / run.without:.1%}",
            f"{run.by_chance:.2f}",
        )
    return table
