"""``tidecast query``: ask the store in SQL."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import click
import orjson
from rich.table import Table

from tidecast.streams.store import QueryResult, open_kept, open_server
from tidecast.tools.console import open_console
from tidecast.tools.context import SettingsFile, pass_settings_file

__all__ = ["query"]


def show_table(result: QueryResult) -> None:
    """Print a table as wide as its contents, so that it can be read in a pipe too."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in result.columns:
        table.add_column(column, overflow="fold")
    for row in result.rows:
        table.add_row(*(_text(value) for value in row))
    console = open_console()
    console.print(table)


def show_json(result: QueryResult) -> None:
    """Print one JSON object a line; NaN becomes null."""
    for row in result.rows:
        fields = dict(zip(result.columns, row, strict=True))
        click.echo(orjson.dumps(fields, option=orjson.OPT_UTC_Z))


def show_csv(result: QueryResult) -> None:
    """Print CSV with a header; arrays as JSON."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(result.columns)
    writer.writerows([_text(value) for value in row] for row in result.rows)


FORMATS: dict[str, Callable[[QueryResult], None]] = {
    "table": show_table,
    "json": show_json,
    "csv": show_csv,
}


@click.command()
@click.argument("sql")
@click.option(
    "--store",
    "folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="The folder of an embedded store [default: the ClickHouse server of the settings].",
)
@click.option(
    "--format", "form", type=click.Choice(list(FORMATS)), default="table", show_default=True
)
@pass_settings_file
def query(settings_file: SettingsFile, sql: str, folder: Path | None, form: str) -> None:
    """Ask the store, such as "SELECT * FROM accuracy_by_lead ORDER BY series, expert, lead".

    Tables: predictions, actuals, scores. Views: latest_forecast, accuracy_by_lead,
    coverage_by_day.
    """
    store = open_kept(folder) if folder else open_server(settings_file.load().clickhouse)
    try:
        result = store.query(sql)
    finally:
        store.close()
    FORMATS[form](result)


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return orjson.dumps(value, option=orjson.OPT_UTC_Z).decode()
    return "" if value is None else str(value)
