"""Columns of a long table, found by their names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from tidecast.state.errors import LogError

__all__ = ["NAMES", "Columns", "find_columns"]

NAMES = {
    "time": "time timestamp datetime date ds event_time bin_start bin ts hour day",
    "region": "region store shop country state city zone station sensor node location site "
    "warehouse unique_id cell series_id id",
    "category": "category product item sku family department dept class brand article",
    "value": "value y target demand sales orders units quantity qty count volume flow amount",
    "censored": "censored sold_out soldout stockout stock_out out_of_stock",
    "weight": "weight weights",
}
"""What columns are usually called, the likeliest first."""

WHOLE_ONLY = {"id", "cell", "hour", "day", "bin", "y"}
"""Words that mean something else inside a longer name."""

HOLDS = {
    "time": ("times", "ISO 8601, such as 2024-03-01 12:00:00, or the Unix epoch in whole numbers"),
    "value": (
        "numbers",
        "a CSV's column of numbers holds no words, blanks or grouped digits (1,000): a missing "
        "number is an empty field",
    ),
}
"""What columns of a kind hold, and how it is written."""

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_OTHER = re.compile(r"[^a-z0-9]+")
_DATE = re.compile(r"\s*(\d{4}-\d\d?-\d\d?|\d\d?[./-]\d\d?[./-]\d{4})\b")


@dataclass(frozen=True)
class Columns:
    """The columns that were taken; ``unused`` are the others, covariates apart."""

    time: str
    region: str | None
    category: str | None
    values: tuple[str, ...]
    unused: tuple[str, ...]
    censored: str | None = None
    weight: str | None = None

    def describe(self) -> str:
        """Say what was taken for what, in one line."""
        taken = [f"time = {self.time}", f"value = {', '.join(self.values)}"]
        taken += [f"region = {self.region}"] if self.region else ["no region"]
        taken += [f"category = {self.category}"] if self.category else ["no category"]
        taken += [f"censored = {self.censored}"] if self.censored else []
        taken += [f"weight = {self.weight}"] if self.weight else []
        if self.unused:
            taken.append(f"not used: {', '.join(self.unused)}")
        return "; ".join(taken)


def find_columns(
    schema: pl.Schema,
    time: str | None = None,
    region: str | None = None,
    category: str | None = None,
    values: Sequence[str] = (),
    censored: str | None = None,
    covariates: Sequence[str] = (),
    weight: str | None = None,
    of_means: bool = False,
) -> Columns:
    """Return the columns of a table; those that are given by name are not searched for.

    ``covariates`` are none of them. A weight is looked for where values are ``of_means``. A column
    without a name, as of row numbers, is nothing that could be found, unless it holds dates.

    A name counts however it is written: ``InvoiceDate`` and ``invoice_date`` are dates.

    Raises
    ------
    LogError
        When a column that is given is not there, or is given two parts, or time or value cannot be
        found, or the column that is called as they are holds something else; or when columns are
        named by dates.
    """
    values = tuple(dict.fromkeys(values))
    given = (time, region, category, censored, weight, *values, *covariates)
    named = [name for name in given if name is not None]
    _check_given(named, schema)
    if censored is not None and not _may_be_mark(schema[censored]):
        raise LogError(f"column {censored!r} holds {schema[censored]}, not truths or whole numbers")
    free = [name for name in schema if name not in named]
    free = [name for name in free if name.strip() or schema[name].is_temporal()]
    if time is None:
        dates = [name for name in free if schema[name].is_temporal()]
        likely = dates or [name for name in free if _may_be_time(name, schema[name])]
        _check_header(likely)
        time = _found("time", likely, schema)
        free.remove(time)
        if schema[time].is_integer():
            _check_left_over("time", time, [name for name in free if name not in likely])
    if censored is None:
        censored = _named("censored", [name for name in free if _may_be_mark(schema[name])])
        free = [name for name in free if name != censored]
    if weight is None and of_means:
        weight = _named("weight", [name for name in free if schema[name].is_numeric()])
        free = [name for name in free if name != weight]
    if not values:
        numbers = [name for name in free if schema[name].is_numeric()]
        values = (_found("value", numbers, schema),)
        free.remove(values[0])
        _check_left_over("value", values[0], [name for name in free if name not in numbers])
    region = region or _named("region", free)
    category = category or _named("category", [name for name in free if name != region])
    texts = [name for name in free if schema[name] in (pl.String, pl.Categorical, pl.Enum)]
    if region is None and category is None and len(texts) == 1:
        region = texts[0]
    unused = tuple(name for name in free if name not in (region, category))
    return Columns(time, region, category, values, unused, censored, weight)


def _check_given(named: Sequence[str], schema: pl.Schema) -> None:
    for name in named:
        if name not in schema:
            raise LogError(f"no column {name!r}: the table has {', '.join(schema)}")
        if named.count(name) > 1:
            raise LogError(f"column {name!r} is given two parts: each column has one")


def _check_header(likely: Sequence[str]) -> None:
    """Refuse a table whose first line holds values, or that has a column for each time."""
    if (dated := next(filter(_DATE.match, likely), None)) is not None:
        raise LogError(
            f"a column is called {dated!r}: write names into the first line of the table (such as "
            "time, region, value), and one time into each row"
        )


def _check_left_over(what: str, taken: str, others: Sequence[str]) -> None:
    """Refuse a column that was only left over, where one of ``others`` is called as these are."""
    if _named(what, [taken]) is None and (called := _called(what, others)) is not None:
        holds, hint = HOLDS[what]
        raise LogError(
            f"column {called!r} is called as {what}s are, but holds no {holds}: mend it ({hint}), "
            f"or say --{what} {taken}"
        )


def _may_be_mark(dtype: pl.DataType) -> bool:
    return dtype == pl.Boolean or dtype.is_integer()


def _may_be_time(name: str, dtype: pl.DataType) -> bool:
    """Tell whether a column may hold times: texts, and whole numbers not called as values are.

    ``sales_date`` is called as times are.
    """
    is_value = _named("value", [name]) is not None and _named("time", [name]) is None
    return dtype == pl.String or (dtype.is_integer() and not is_value)


def _found(what: str, among: Sequence[str], schema: pl.Schema) -> str:
    """Return the column that is named so, or the only one that may be it."""
    if (name := _named(what, among)) is not None:
        return name
    if len(among) == 1:
        return among[0]
    if among:
        raise LogError(f"which column is the {what}? say --{what} NAME, one of {', '.join(among)}")
    held = ", ".join(f"{name} ({dtype})" for name, dtype in schema.items())
    hint = HOLDS[what][1]
    raise LogError(f"which column is the {what}? no column of the table can be: {held} ({hint})")


def _named(what: str, among: Sequence[str]) -> str | None:
    """Return the likeliest column: one of that very name, else one with such a word in it."""
    if (name := _called(what, among)) is not None:
        return name
    for wanted in NAMES[what].split():
        for name in among:
            if wanted not in WHOLE_ONLY and wanted in _plain(name).split("_"):
                return name
    return None


def _called(what: str, among: Sequence[str]) -> str | None:
    """Return the likeliest column of that very name."""
    names = {_plain(name): name for name in reversed(among)}
    return next((names[wanted] for wanted in NAMES[what].split() if wanted in names), None)


def _plain(name: str) -> str:
    """Return a name as words in small letters, joined by underscores."""
    return _OTHER.sub("_", _HUMP.sub("_", name).lower()).strip("_")
