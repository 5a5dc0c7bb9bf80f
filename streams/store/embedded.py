"""A store in this process: chDB, which keeps a ClickHouse database in a folder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chdb.state.sqlitelike import ChdbError, connect

from tidecast.state.errors import StoreError
from tidecast.streams.store.arrow import arrow_stream
from tidecast.streams.store.base import Columns, QueryResult
from tidecast.streams.store.binding import bind, quote_name
from tidecast.streams.store.migrations import apply_migrations
from tidecast.streams.store.native import read_native
from tidecast.streams.store.refusals import kind_of_refusal
from tidecast.streams.store.shapes import check_columns, column_types, plain_rows

__all__ = ["EmbeddedStore"]


class EmbeddedStore:
    """A chDB database; the contract is ``Store``'s."""

    def __init__(self, folder: Path, database: str) -> None:
        name = quote_name(database)
        self._connection = _connect(folder.resolve())
        self._types: dict[str, dict[str, str]] = {}
        self.query(f"CREATE DATABASE IF NOT EXISTS {name}")
        self.query(f"USE {name}")

    def migrate(self) -> list[str]:
        """Bring the tables and views up to date."""
        self._types.clear()
        return apply_migrations(lambda sql: self.query(sql).rows)

    def insert(self, table: str, columns: Columns) -> int:
        """Write ``columns`` as one block."""
        types = self._types[table] = self._types.get(table) or column_types(table, self.query)
        count = check_columns(table, types, columns)
        if not count:
            return 0
        data = arrow_stream(table, types, columns)
        names = ", ".join(map(quote_name, columns))
        with (
            _translated(),
            self._connection.send_insert(
                f"INSERT INTO {quote_name(table)} ({names})", "ArrowStream"
            ) as stream,
        ):
            stream.append(data)
            stream.finish()
        return count

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> QueryResult:
        """Run one statement and return all of its rows."""
        statement = bind(sql, parameters)
        names, columns = read_native(self._answer(statement))
        if not names and _is_select(statement):
            return QueryResult(self._names_of(statement), [])
        return QueryResult(names, plain_rows(columns))

    def close(self) -> None:
        """Let the folder go."""
        self._connection.close()

    def _answer(self, statement: str) -> bytes:
        with _translated():
            return bytes(self._connection.query(statement, "Native").bytes())

    def _names_of(self, select: str) -> tuple[str, ...]:
        """Return the names of the columns of ``select``, which chDB leaves out with no rows."""
        _, columns = read_native(self._answer(f"DESCRIBE TABLE ({select.rstrip().rstrip(';')}\n)"))
        return tuple(columns[0])


def _connect(folder: Path) -> Any:
    if "?" in str(folder):  # what follows it would be read as options
        raise StoreError(f"the store cannot be in {folder}: choose a name without '?'")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return connect(str(folder))
    except (OSError, RuntimeError) as error:
        raise StoreError(
            f"the store in {folder} cannot be opened: see that no other process has it open, that "
            "this process has no other store open, and that the folder is writable "
            f"({_reason(error)})"
        ) from error


def _is_select(statement: str) -> bool:
    return bool(re.match(r"(?:\s|--[^\n]*\n)*(?:SELECT|WITH)\b", statement, re.IGNORECASE))


@contextmanager
def _translated() -> Iterator[None]:
    """Turn chDB's errors into ours."""
    try:
        yield
    except (ChdbError, RuntimeError) as error:
        code = re.search(r"Code: (\d+)", str(error))
        kind = kind_of_refusal(int(code[1]) if code else 0, str(error))
        raise kind(f"the embedded store refuses the statement: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    text = re.sub(r"\s+", " ", str(error)).removesuffix(".")
    return text[:500] or type(error).__name__
