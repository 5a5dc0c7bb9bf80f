"""The console that tables are printed on."""

from __future__ import annotations

from rich.console import Console

__all__ = ["open_console"]

WIDEST = 10_000


def open_console() -> Console:
    """Return a console that shows names as they are; in a pipe it cuts nothing."""
    width = None if Console().is_terminal else WIDEST
    return Console(markup=False, highlight=False, width=width)
