"""The store of predictions, actuals and scores: a ClickHouse server, or chDB in this process.

Both take the same migrations and answer the same query with the same rows of the same Python
types: int, float, str, bool, ``date``, ``datetime`` in UTC, and lists of these.
"""

from __future__ import annotations

from pathlib import Path

from tidecast.state.errors import StoreError
from tidecast.streams.store.base import QueryResult, Store
from tidecast.streams.store.server import open_server

__all__ = ["QueryResult", "Store", "open_embedded", "open_kept", "open_server"]


def open_embedded(folder: Path, database: str = "tidecast") -> Store:
    """Open the chDB database kept in ``folder``, which is made where it is missing.

    A process can hold one folder at a time, and a folder is held by one process at a time;
    several stores of the same folder may be open in one process.

    Raises
    ------
    StoreError
        When the folder cannot be made, or is held by another process, or this process holds
        another folder.
    """
    # Importing chDB starts an engine, which a worker beside a server has no use for.
    from tidecast.streams.store.embedded import EmbeddedStore

    return EmbeddedStore(folder, database)


def open_kept(folder: Path) -> Store:
    """Open the chDB database that a replay has kept in ``folder``; none is made.

    Raises
    ------
    StoreError
        When there is none in the folder, or as `open_embedded` says.
    """
    if not (folder / "metadata").is_dir():
        raise StoreError(
            f"{folder} holds no store: name the folder that `tidecast replay --store` was given "
            "(tidecast-store where it was given none)"
        )
    return open_embedded(folder)
