"""What all settings share: frozen, no unknown keys, durations and names as types."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

__all__ = ["DAY", "Duration", "Frozen", "Name", "parse_duration"]

DAY = 86_400_000_000  # microseconds
_UNITS = {"ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": DAY}
_DURATION = re.compile(r"(\d+)(ms|s|m|h|d)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


class Frozen(BaseModel):
    """A settings table: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def parse_duration(value: object) -> int:
    """Return microseconds of a text such as ``"90s"``, ``"5m"`` or ``"1h30m"``.

    Raises
    ------
    ValueError
        When the text is not a sequence of numbers with the units ms, s, m, h, d.

    Examples
    --------
    >>> parse_duration("1h30m")
    5400000000
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = str(value)
    parts = _DURATION.findall(text)
    if not parts or "".join(n + u for n, u in parts) != text:
        raise ValueError('write a duration as "30s", "5m", "1h", "1h30m" or "7d"')
    return sum(int(number) * _UNITS[unit] for number, unit in parts)


def _check_name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError("use letters, digits and underscores, beginning with a letter")
    return value


Duration = Annotated[int, BeforeValidator(parse_duration)]
"""Microseconds; written in TOML as "30s", "5m", "1h30m", "7d"."""

Name = Annotated[str, AfterValidator(_check_name)]
"""An identifier: letters, digits, underscores."""
