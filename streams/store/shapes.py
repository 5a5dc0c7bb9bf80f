"""Check columns before a store sees them, and give rows the types that every store gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tidecast.state.errors import StoreError
from tidecast.streams.store.base import Columns, QueryResult

__all__ = ["check_columns", "column_types", "plain_rows"]


def column_types(
    table: str, query: Callable[[str, Mapping[str, Any]], QueryResult]
) -> dict[str, str]:
    """Return the ClickHouse type of each column of a table; nothing where there is none."""
    found = query(
        "SELECT name, type FROM system.columns "
        "WHERE database = currentDatabase() AND table = %(table)s",
        {"table": table},
    )
    return dict(found.rows)


def check_columns(table: str, types: Mapping[str, str], columns: Columns) -> int:
    """Return the number of rows of ``columns``, which must be just those of ``types``.

    Raises
    ------
    StoreError
        When the table does not exist, a column is missing or unknown, or lengths differ.
    """
    if not types:
        raise StoreError(f"there is no table {table!r}: run the migrations of the store first")
    if types.keys() != columns.keys():
        raise StoreError(
            f"table {table} takes the columns {sorted(types)} but was given {sorted(columns)}: "
            "give exactly those"
        )
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise StoreError(f"the columns for {table} differ in length: {lengths}")
    return next(iter(lengths.values()))


def plain_rows(columns: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
    """Return the rows of ``columns``, with every time in UTC and every array a list."""
    return list(zip(*(_plain_column(column) for column in columns), strict=True))


def _plain_column(values: Sequence[Any]) -> Iterable[Any]:
    # A column is of one type: its first value tells whether any need a change.
    first = next((value for value in values if value is not None), None)
    if isinstance(first, datetime | list | tuple):
        return [_plain(value) for value in values]
    return values


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, tuple):
        return tuple(_plain(item) for item in value)
    return value
