"""Options that the commands of ``tidecast deep`` share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

import click

from tidecast.streams.backtest.meaning import Absent

__all__ = ["FILE", "SHARE", "data_options"]

FILE = click.Path(path_type=Path, dir_okay=False)
SHARE = click.FloatRange(0, 1, max_open=True)


def _zone(_: click.Context, __: click.Parameter, name: str) -> str:
    """Return the name of a time zone."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise click.BadParameter(
            f"{name!r} is no time zone: name one of IANA's, such as Europe/London or UTC"
        ) from error
    return name


OPTIONS = (
    click.option("--freq", required=True, help="Width of a bin: 1h, 15min, 1D."),
    click.option(
        "--timezone",
        default="UTC",
        show_default=True,
        callback=_zone,
        help="The shop's time zone.",
    ),
    click.option("--time", metavar="NAME", help="The column of times, if its name does not tell."),
    click.option("--region", metavar="NAME", help="The column of regions."),
    click.option("--category", metavar="NAME", help="The column of categories."),
    click.option("--value", metavar="NAME", multiple=True, help="A column, or the array."),
    click.option(
        "--absent",
        type=click.Choice(get_args(Absent)),
        default="auto",
        show_default=True,
        help="What a row that is not there means.",
    ),
    click.option("--missing", type=float, help="A value that means that none is known."),
    click.option("--start", metavar="TIME", help="Local time at which an array starts."),
    click.option("--regions", type=FILE, help="A table of region, lat, lng."),
    click.option(
        "--future", metavar="NAME", multiple=True, help="A column known ahead; repeatable."
    ),
    click.option("--static", metavar="NAME", multiple=True, help="A column of cells; repeatable."),
)


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options by which data are read."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command
