"""Words and numbers as the page writes them."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Literal

from tidecast.state.bins import width_words
from tidecast.state.settings import Settings

__all__ = ["bin_words", "moment_words", "percent", "shortened", "spaced", "value_unit"]


def bin_words(width: int | Literal["day"]) -> tuple[str, str]:
    """Return the width of a bin ("1 hour") and the unit of leads ("hours", "bins of 5 minutes").

    ``width`` is in microseconds, or local days.
    """
    words = width_words(width)
    return words, f"{words[2:]}s" if words.startswith("1 ") else f"bins of {words}"


def value_unit(settings: Settings, name: str) -> str:
    """Return the label of a series' value axis, with its unit."""
    found = next((series for series in settings.series if series.name == name), None)
    width, _ = bin_words(settings.bins.width)
    per = width.removeprefix("1 ")
    if found is None:
        return spaced(name)
    if found.aggregate == "count":
        return f"{' or '.join(found.kinds) or 'event'}s per {per}"
    if found.aggregate == "sum":
        return f"{found.of} per {per}"
    if found.aggregate == "mean":
        return f"mean {found.of}"
    return f"{found.numerator} / {found.denominator}"


def moment_words(moment: datetime) -> str:
    """Return a moment to the minute, as people write it."""
    return f"{moment.day} {moment:%B %Y, %H:%M}"


def percent(value: float, decimals: int) -> str:
    """Return a share as per cent, a dash for NaN."""
    return "–" if math.isnan(value) else f"{value:.{decimals}%}"


def shortened(name: str, most: int) -> str:
    """Return a name in one line of at most so many letters.

    Examples
    --------
    >>> shortened("north  west", 6)
    'north…'
    """
    line = " ".join(name.split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def spaced(name: str) -> str:
    """Return the name of a series or an expert as words.

    Examples
    --------
    >>> spaced("delivery_hours")
    'delivery hours'
    """
    return name.replace("_", " ")
