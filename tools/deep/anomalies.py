"""``tidecast deep anomalies``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.table import Table

from tidecast.models.deep.device import pick_device
from tidecast.models.deep.folder import load_model
from tidecast.models.deep.model import Model
from tidecast.models.deep.scenarios import oddities
from tidecast.models.deep.windows import Windows
from tidecast.state.bins import iso
from tidecast.state.errors import SettingsError
from tidecast.tools.console import open_console
from tidecast.tools.deep.data import Asked, Data, read_data
from tidecast.tools.deep.options import FILE, SHARE, data_options
from tidecast.tools.deep.trained import check_series, windows_for
from tidecast.tools.progress import count_progress

__all__ = ["anomalies"]

SEED = 1
HEADS = ("time", "region", "category", "series", "actual", "expected", "nats")


@click.command("anomalies")
@click.argument("folder", metavar="MODEL", type=click.Path(path_type=Path, file_okay=False))
@click.argument("file", metavar="TABLE|NPZ", type=FILE)
@data_options
@click.option("--test", type=SHARE, default=0.2, show_default=True, help="Share to look at.")
@click.option("--top", type=click.IntRange(1), default=20, show_default=True, help="Bins told.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def anomalies(
    folder: Path, file: Path, test: float, top: int, as_json: bool, **options: Any
) -> None:
    """Tell which bins in the last share of a TABLE or an NPZ are the oddest.

    MODEL was trained with --latent. A bin is as odd as it is less likely than what the network
    itself draws there, in nats; the bins before it are known, up to a horizon back.
    """
    model, _ = load_model(folder, pick_device())
    data = read_data(file, Asked(**options))
    check_series(model, data)
    config = model.network.config
    first = max(config.least_context, round((1.0 - test) * len(data.values)))
    origins = range(first, len(data.values) - config.horizon + 1, config.horizon)
    if not origins:
        raise SettingsError("no window to look at: give more bins, or a larger share --test")
    windows = windows_for(model, data, first)
    with count_progress("looking", len(origins), "windows") as advance:
        found: list[dict[str, Any]] = []
        for origin in origins:
            found += _oddest(model, windows, data, origin, top)
            advance(1)
    found = sorted(found, key=lambda row: -row["nats"])[:top]
    if as_json:
        click.echo(json.dumps({"anomalies": found}))
    else:
        open_console().print(_table(found))


def _oddest(
    model: Model, windows: Windows, data: Data, origin: int, top: int
) -> list[dict[str, Any]]:
    """Return the oddest bins of the window after ``origin``, oddest first."""
    odd = oddities(model, windows, origin, SEED)  # (series, cell, lead)
    expected = model.forecast(windows, origin).mean
    order = np.argsort(-np.nan_to_num(odd, nan=-np.inf), axis=None, kind="stable")[:top]
    places = (np.unravel_index(place, odd.shape) for place in order)
    return [
        _row(data, origin, place, float(expected[place]), float(odd[place]))
        for place in places
        if np.isfinite(odd[place])
    ]


def _row(
    data: Data, origin: int, place: tuple[np.intp, ...], expected: float, nats: float
) -> dict[str, Any]:
    series, cell, lead = map(int, place)
    bin_ = origin + lead
    return {
        "time": iso(data.grid.start(data.first_bin + bin_)),
        "region": data.cells[cell].region,
        "category": data.cells[cell].category,
        "series": data.series[series],
        "actual": float(data.values[bin_, cell, series]),
        "expected": round(expected, 3),
        "nats": round(nats, 2),
    }


def _table(found: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for head in HEADS:
        table.add_column(head, no_wrap=True)
    for row in found:
        table.add_row(*(str(row[head]) for head in HEADS))
    return table
