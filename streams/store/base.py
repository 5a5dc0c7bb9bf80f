"""What every store can do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Column", "Columns", "QueryResult", "Store"]

Column = Sequence[Any] | NDArray[np.generic]
"""The values of one column, one item a row; an n-dimensional array is a column of arrays."""

Columns = Mapping[str, Column]


@dataclass(frozen=True)
class QueryResult:
    """The answer to one query: the names of its columns, and its rows."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


class Store(Protocol):
    """A database of predictions, actuals and scores.

    A store is used by one thread at a time; another thread opens its own. Every method raises
    ``StoreError`` with the reason and the way out, never with the password: ``StoreAwayError``
    where waiting may help, ``StoreFullError`` where less at once may pass, ``StoreRowsError``
    where the rows themselves are at fault.
    """

    def migrate(self) -> list[str]:
        """Bring the tables and views up to date; return the names of the migrations applied.

        The database is created where it is missing. Doing so twice, or at once from two
        processes, is harmless.
        """
        ...

    def insert(self, table: str, columns: Columns) -> int:
        """Write one block of rows; return how many.

        ``columns`` maps every column of ``table`` to its values; times are whole seconds since
        1970 in UTC. A row replaces the one of the same key and a smaller or equal revision.
        """
        ...

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> QueryResult:
        """Run one statement with each ``%(name)s`` in it replaced by its quoted parameter."""
        ...

    def close(self) -> None:
        """Give back the connection, or the folder; closing twice is harmless."""
        ...
