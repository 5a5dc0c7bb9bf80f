"""The store of predictions, actuals and scores: a ClickHouse server, or chDB in this process.

Both take the same migrations and answer the same query with the same rows of the same Python
types: int, float, str, bool, ``date``, ``datetime`` in UTC, and lists of these.
"""

from tidecast.streams.store.base import QueryResult, Store
from tidecast.streams.store.embedded import open_embedded
from tidecast.streams.store.server import open_server

__all__ = ["QueryResult", "Store", "open_embedded", "open_server"]
