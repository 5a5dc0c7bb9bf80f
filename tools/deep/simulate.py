"""``tidecast deep simulate``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click
import numpy as np
import polars as pl
from numpy.typing import NDArray

from tidecast.models.deep.device import pick_device
from tidecast.models.deep.folder import load_model
from tidecast.models.deep.scenarios import scenarios
from tidecast.state.errors import SettingsError
from tidecast.tools.deep.data import Asked, Data, bin_of, read_data
from tidecast.tools.deep.options import FILE, data_options
from tidecast.tools.deep.trained import check_series, windows_for
from tidecast.tools.output_file import OutputFile

__all__ = ["simulate"]


@click.command("simulate")
@click.argument("folder", metavar="MODEL", type=click.Path(path_type=Path, file_okay=False))
@click.argument("file", metavar="TABLE|NPZ", type=FILE)
@data_options
@click.option("--out", type=OutputFile(), required=True, help="Parquet to write futures to.")
@click.option("--samples", type=click.IntRange(1), default=100, show_default=True)
@click.option("--at", metavar="TIME", help="Local time at which they begin, else after the data.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
def simulate(
    folder: Path, file: Path, out: Path, samples: int, at: str | None, seed: int, **options: Any
) -> None:
    """Draw futures of all cells of a TABLE or an NPZ, and write them as a long table.

    MODEL was trained with --latent. What cells have in common is in every future: sums over cells
    are futures of their sum.
    """
    model, _ = load_model(folder, pick_device())
    data = read_data(file, Asked(**options))
    check_series(model, data)
    origin = _origin(data, at)
    drawn = scenarios(model, windows_for(model, data, origin), origin, samples, seed)
    _long(drawn, data, origin).write_parquet(out)
    click.echo(f"wrote {out}: {samples:,} futures of {len(data.cells):,} cells")


def _origin(data: Data, at: str | None) -> int:
    """Return the number of bins that are known at local time ``at``, all without it."""
    if at is None:
        return len(data.values)
    try:
        found = bin_of(data.grid, datetime.fromisoformat(at)) - data.first_bin
    except ValueError as error:
        raise SettingsError(f"--at {at} is no time, such as 2024-03-01T00:00: {error}") from error
    if not 0 <= found <= len(data.values):
        raise SettingsError(f"--at {at} is not within the data, nor at their end")
    return found


def _long(drawn: NDArray[np.float32], data: Data, origin: int) -> pl.DataFrame:
    """Return (sample, series, cell, lead) as a row for each sample, cell and bin."""
    n_samples, _, n_cells, n_leads = drawn.shape
    sample, cell, lead = (axis.ravel() for axis in np.indices((n_samples, n_cells, n_leads)))
    first = data.first_bin + origin
    starts = np.array([data.grid.start(first + ahead) for ahead in range(n_leads)])
    columns = {
        "sample": sample,
        "time": starts[lead],
        "region": pl.Series([each.region for each in data.cells]).gather(cell),
        "category": pl.Series([each.category for each in data.cells]).gather(cell),
        **{name: drawn[:, row].ravel() for row, name in enumerate(data.series)},
    }
    return pl.DataFrame(columns).with_columns(pl.col("time").cast(pl.Datetime("us", "UTC")))
