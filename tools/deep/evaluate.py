"""``tidecast deep evaluate``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from tidecast.models.deep.folder import load_model
from tidecast.tools.console import open_console
from tidecast.tools.deep.data import Asked, read_data
from tidecast.tools.deep.options import FILE, SHARE, data_options
from tidecast.tools.deep.show import accuracy_table, one_line
from tidecast.tools.deep.trained import judge
from tidecast.tools.output_file import OutputFile

__all__ = ["evaluate"]


@click.command("evaluate")
@click.argument("folder", metavar="MODEL", type=click.Path(path_type=Path, file_okay=False))
@click.argument("file", metavar="TABLE|NPZ", type=FILE)
@data_options
@click.option("--test", type=SHARE, default=0.2, show_default=True, help="Share to judge by.")
@click.option("--json", "json_file", type=OutputFile(), help="Write the figures to a file.")
def evaluate(folder: Path, file: Path, test: float, json_file: Path | None, **options: Any) -> None:
    """Tell what forecasts of MODEL are worth, in the last share of a TABLE or an NPZ."""
    model, _ = load_model(folder)
    data = read_data(file, Asked(**options))
    found = judge([model], data, test)
    open_console().print(accuracy_table(found))
    click.echo(one_line(found))
    if json_file is not None:
        json_file.write_text(json.dumps(found.overall()) + "\n", encoding="utf-8")
