"""Options that several benchmarks take."""

from __future__ import annotations

import click

__all__ = ["sizes"]


def sizes(_: click.Context, __: click.Parameter, text: str) -> list[int]:
    """Return the whole numbers that an option joins by commas.

    Raises
    ------
    click.BadParameter
        When one is no whole number above zero.
    """
    parts = text.split(",")
    if not all(part.isdecimal() and int(part) for part in parts):
        raise click.BadParameter("give whole numbers, joined by commas, such as 100,1000")
    return [int(part) for part in parts]
