"""Write parameters into a query as literals that no value can break out of.

Old servers know no bound parameters of their own, so the text is made here, the same for every
store.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import numpy as np

from tidecast.state.errors import StoreError

__all__ = ["bind", "literal", "quote_name"]

_PLACEHOLDER = re.compile(r"%\((\w+)\)s")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ESCAPES = str.maketrans(
    {"\\": r"\\", "'": r"\'", "\0": r"\0", "\n": r"\n", "\r": r"\r", "\t": r"\t", "\b": r"\b"}
)


def bind(sql: str, parameters: Mapping[str, Any] | None) -> str:
    """Return ``sql`` with each ``%(name)s`` replaced by the literal of its parameter.

    Any other percent sign stands for itself.

    Raises
    ------
    StoreError
        When a parameter is missing, is not used, or is of a type that has no literal.

    Examples
    --------
    >>> bind("SELECT %(word)s LIKE '5%'", {"word": "it's"})
    "SELECT 'it\\\\'s' LIKE '5%'"
    """
    values = dict(parameters or {})
    wanted = set(_PLACEHOLDER.findall(sql))
    if wanted != values.keys():
        raise StoreError(
            f"the query names the parameters {sorted(wanted)} but was given {sorted(values)}: "
            "give exactly those it names"
        )
    return _PLACEHOLDER.sub(lambda match: literal(values[match[1]]), sql)


def literal(value: object) -> str:
    """Return ``value`` as a ClickHouse literal.

    Raises
    ------
    StoreError
        For a type without one, and for a datetime that names no zone.
    """
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    match value:
        case None:
            return "NULL"
        case bool() | int():
            return str(int(value))
        case float():
            return repr(value) if math.isfinite(value) else str(value)
        case str():
            return f"'{value.translate(_ESCAPES)}'"
        case datetime():
            return _datetime_literal(value)
        case date():
            return f"toDate('{value.isoformat()}')"
        case list():
            return f"[{', '.join(map(literal, value))}]"
        case tuple():
            return f"({', '.join(map(literal, value))})"
    raise StoreError(
        f"a parameter of type {type(value).__name__} cannot be put into a query: "
        "give a str, int, float, bool, date, datetime, or a list or tuple of these"
    )


def quote_name(name: str) -> str:
    """Return the name of a table, column or database in quotes.

    Raises
    ------
    StoreError
        When it is not made of letters, digits and underscores.
    """
    if not _NAME.fullmatch(name):
        raise StoreError(f"{name!r} is no name of a table, column or database")
    return f"`{name}`"


def _datetime_literal(value: datetime) -> str:
    if value.tzinfo is None:
        raise StoreError(f"the datetime {value} names no zone: give it tzinfo, such as UTC")
    return f"toDateTime({math.floor(value.timestamp())}, 'UTC')"
