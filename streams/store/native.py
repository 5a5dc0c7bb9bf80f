"""Decode ClickHouse's Native format with the driver's own readers.

So an answer of chDB has, by construction, the Python types of a server's.
"""

from __future__ import annotations

import io
import re
from typing import Any

from clickhouse_driver.bufferedreader import BufferedSocketReader
from clickhouse_driver.columns.service import read_column
from clickhouse_driver.context import Context
from clickhouse_driver.errors import Error as DriverError
from clickhouse_driver.reader import read_binary_str
from clickhouse_driver.varint import read_varint

from tidecast.state.errors import StoreError

__all__ = ["read_native"]

_ZONELESS = re.compile(r"\bDateTime\b(?!\()")
_BUFFER_BYTES = 1 << 20


def read_native(data: bytes) -> tuple[tuple[str, ...], list[list[Any]]]:
    """Return the names and the columns of all blocks in ``data``.

    The format drops the zone of a DateTime, which is seconds in any zone: they come in UTC.

    Raises
    ------
    StoreError
        When ``data`` holds a type that the driver cannot read.
    """
    names: tuple[str, ...] = ()
    columns: list[list[Any]] = []
    reader = BufferedSocketReader(_Bytes(data), _BUFFER_BYTES)
    while (shape := _next_shape(reader)) is not None:
        block = _read_block(reader, *shape)
        names = tuple(name for name, _ in block)
        columns = columns or [[] for _ in block]
        for column, (_, values) in zip(columns, block, strict=True):
            column.extend(values)
    return names, columns


class _Bytes:
    """Bytes that can be received from, as from a socket."""

    def __init__(self, data: bytes) -> None:
        self._stream = io.BytesIO(data)

    def recv_into(self, buffer: Any) -> int:
        return self._stream.readinto(buffer)


def _next_shape(reader: Any) -> tuple[int, int] | None:
    try:
        return read_varint(reader), read_varint(reader)
    except EOFError:
        return None


def _read_block(reader: Any, n_columns: int, n_rows: int) -> list[tuple[str, Any]]:
    block = []
    for _ in range(n_columns):
        name, kind = read_binary_str(reader), read_binary_str(reader)
        zoned = _ZONELESS.sub("DateTime('UTC')", kind)
        try:
            values = read_column(_CONTEXT, zoned, n_rows, reader) if n_rows else ()
        except DriverError as error:
            raise StoreError(
                f"column {name} of type {kind} cannot be read: convert it in the query, "
                "for instance with toString"
            ) from error
        block.append((name, values))
    return block


def _context() -> Any:
    context = Context()
    context.settings = {"use_client_time_zone": True}
    context.client_settings = {"use_numpy": False, "strings_as_bytes": False}
    return context


_CONTEXT = _context()
