"""``tidecast deep export``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import torch
from rich.table import Table

from tidecast.models.deep.accuracy import FIGURES, Accuracy, accuracy_by, accuracy_of
from tidecast.models.deep.export import Exported, write_onnx
from tidecast.models.deep.folder import load_model
from tidecast.state.errors import CheckpointError
from tidecast.tools.console import open_console
from tidecast.tools.deep.data import Asked, read_data
from tidecast.tools.deep.job import BATCH
from tidecast.tools.deep.options import FILE, SHARE, data_options
from tidecast.tools.deep.trained import last_windows
from tidecast.tools.output_file import OutputFile

__all__ = ["export"]

CLOSE = 1e-3
"""Share of a figure by which that of an exported network may be another."""


@click.command("export")
@click.argument("folder", metavar="MODEL", type=click.Path(path_type=Path, file_okay=False))
@click.argument("file", metavar="TABLE|NPZ", type=FILE)
@data_options
@click.option("--out", type=OutputFile(), required=True, help="File to write, such as model.onnx.")
@click.option("--int8", is_flag=True, help="Weights of 8 bits, dynamically quantised.")
@click.option("--test", type=SHARE, default=0.2, show_default=True, help="Share to judge by.")
def export(folder: Path, file: Path, out: Path, int8: bool, test: float, **options: Any) -> None:
    """Write the network of MODEL as ONNX, and judge it beside MODEL by the last share of a TABLE.

    Without --int8 an exported network that does not say the same is refused.
    """
    if out.exists():
        raise CheckpointError(f"{out} is there already: give another file, or remove it")
    model, _ = load_model(folder)
    data, cpu = read_data(file, Asked(**options)), torch.device("cpu")
    windows, last = last_windows(model, data, test, cpu)
    before = accuracy_of(model.network, windows, last, BATCH)
    write_onnx(out, model.network, windows.inputs(last[:2]), int8=int8)
    after = accuracy_by(Exported(out), model.network.config, windows, last, BATCH)
    if not int8 and not _is_close(before, after):
        out.unlink()
        raise CheckpointError(f"{out} says something else than {folder}: it is not kept")
    open_console().print(_table(before, after))
    click.echo(f"wrote {out}: {out.stat().st_size / 2**20:.2f} MiB")


def _is_close(before: Accuracy, after: Accuracy) -> bool:
    one, two = before.overall(), after.overall()
    return all(abs(two[name] - one[name]) <= CLOSE * abs(one[name]) for name in FIGURES)


def _table(before: Accuracy, after: Accuracy) -> Table:
    """Return the figures of both, and by what share the second are larger."""
    table = Table(box=None, pad_edge=False)
    for name in ("", "model", "exported", "change"):
        table.add_column(name, justify="right" if name else "left")
    one, two = before.overall(), after.overall()
    for name in FIGURES:
        change = two[name] / one[name] - 1 if one[name] else 0.0
        row = (f"{one[name]:.5g}", f"{two[name]:.5g}", f"{change:+.3%}")
        table.add_row(name.replace("_", " "), *row)
    return table
