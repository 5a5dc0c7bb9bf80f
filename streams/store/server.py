"""A store on a ClickHouse server, by its native protocol."""

from __future__ import annotations

import logging
import socket
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from clickhouse_driver import Client
from clickhouse_driver.errors import Error as DriverError
from clickhouse_driver.errors import (
    NetworkError,
    ServerException,
    SocketTimeoutError,
    UnexpectedPacketFromServerError,
)

from tidecast.state.errors import ServiceError, StoreAwayError, StoreError, StoreRowsError
from tidecast.state.settings import ClickHouseSettings
from tidecast.streams.secrets import revealed
from tidecast.streams.store.base import Column, Columns, QueryResult
from tidecast.streams.store.binding import bind, quote_name
from tidecast.streams.store.migrations import apply_migrations
from tidecast.streams.store.refusals import kind_of_refusal
from tidecast.streams.store.shapes import check_columns, column_types, plain_rows
from tidecast.streams.tls import shake_hands, tls_context, tls_remedy

__all__ = ["open_server"]

OLDEST = (18, 16)
CONNECT_SECONDS = 5  # also for a greeting, which some other protocol's port never gives
ANSWER_SECONDS = 300
UNKNOWN_DATABASE = 81
REFUSED = {192, 193, 194, 516}  # unknown user, wrong password, no password, log-in failed
DENIED = 497
_AWAY = (NetworkError, SocketTimeoutError, UnexpectedPacketFromServerError, OSError, EOFError)
# What the driver makes of a value that does not fit its column.
_UNFIT = (DriverError, struct.error, TypeError, ValueError, AttributeError, OverflowError)

# The driver logs a traceback of every failure that we raise as a sentence.
logging.getLogger("clickhouse_driver.connection").setLevel(logging.ERROR)


def open_server(settings: ClickHouseSettings, answer_seconds: int = ANSWER_SECONDS) -> ServerStore:
    """Connect to the server of ``settings`` and see that it can serve us.

    A statement that is not answered within ``answer_seconds`` counts as failed.

    Raises
    ------
    StoreError
        When the server is unreachable (``StoreAwayError``), refuses the user, or is too old.
    """
    store = ServerStore(settings, answer_seconds)
    store.check()
    return store


class ServerStore:
    """A database on a ClickHouse server; the contract is ``Store``'s."""

    def __init__(self, settings: ClickHouseSettings, answer_seconds: int) -> None:
        self._settings = settings
        self._client = _client(settings, settings.database, answer_seconds)
        self._types: dict[str, dict[str, str]] = {}

    def check(self) -> None:
        """See that the server answers, lets us in, and is new enough."""
        with self._administrator() as client:
            client.connection.force_connect()
            server = client.connection.server_info
        if (server.version_major, server.version_minor) < OLDEST:
            raise StoreError(
                f"ClickHouse {server.version_major}.{server.version_minor} at {self._where} is too "
                f"old: tidecast needs {OLDEST[0]}.{OLDEST[1]} or newer"
            )

    def migrate(self) -> list[str]:
        """Create the database where it is missing, and bring its tables up to date."""
        with self._administrator() as client:
            client.execute(f"CREATE DATABASE IF NOT EXISTS {quote_name(self._settings.database)}")
        self._types.clear()
        return apply_migrations(self._run)

    def _run(self, sql: str) -> list[tuple[Any, ...]]:
        with self._translated():
            rows: list[tuple[Any, ...]] = self._client.execute(sql)
        return rows

    def insert(self, table: str, columns: Columns) -> int:
        """Write ``columns`` as one block."""
        types = self._types[table] = self._types.get(table) or column_types(table, self.query)
        count = check_columns(table, types, columns)
        if not count:
            return 0
        names = ", ".join(map(quote_name, columns))
        with self._translated(), _fitting(table):
            self._client.execute(
                f"INSERT INTO {quote_name(table)} ({names}) VALUES",
                [_values(column) for column in columns.values()],
                columnar=True,
                types_check=False,
            )
        return count

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> QueryResult:
        """Run one statement and return all of its rows."""
        with self._translated():
            answer = self._client.execute(
                bind(sql, parameters), columnar=True, with_column_types=True
            )
        if not isinstance(answer, tuple):  # a statement without rows
            return QueryResult((), [])
        columns, described = answer
        return QueryResult(tuple(name for name, _ in described), plain_rows(columns))

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()

    @property
    def _where(self) -> str:
        return f"{self._settings.host}:{self._settings.port}"

    @contextmanager
    def _administrator(self) -> Iterator[Any]:
        """Lend a connection of the server's own database: ours may not exist yet."""
        client = _client(self._settings, database="", answer_seconds=CONNECT_SECONDS)
        try:
            with self._translated():
                yield client
        finally:
            client.disconnect()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn the driver's errors into sentences with a way out."""
        try:
            yield
        except ServerException as error:
            kind = kind_of_refusal(error.code, str(error.message))
            raise kind(self._refusal(error)) from error
        except _AWAY as error:
            if "[SSL" in str(error):  # waiting mends no certificate
                raise StoreError(self._distrust() or str(error)) from error
            raise StoreAwayError(
                f"ClickHouse at {self._where} cannot be reached ({self._cause(error)}): see that "
                "it runs and that [clickhouse] host and port name its native protocol (9000, or "
                "9440 with TLS; not the HTTP port)"
            ) from error
        except DriverError as error:
            raise StoreError(f"ClickHouse cannot be asked: {_first_line(error)}") from error

    def _distrust(self) -> str | None:
        """Shake hands once more: the driver keeps the words of a failure, not what it was."""
        settings = self._settings
        context = tls_context(settings.tls, "clickhouse.tls")
        address = (settings.host, settings.port)
        try:
            with socket.create_connection(address, CONNECT_SECONDS) as connection:
                if context is not None:
                    shake_hands(context, settings.host, connection, patience_seconds=1.0)
        except OSError as error:
            remedy = tls_remedy(error, "clickhouse.tls")
            return f"ClickHouse at {self._where} does not let us in: {remedy}"
        return None

    def _cause(self, error: BaseException) -> str:
        return _first_line(error).removesuffix(f"({self._where})").strip() or "no answer in time"

    def _refusal(self, error: ServerException) -> str:
        settings = self._settings
        if error.code in REFUSED:
            return (
                f"ClickHouse at {self._where} refuses user {settings.user!r}: see [clickhouse] "
                "user and password (TIDECAST_CLICKHOUSE__PASSWORD)"
            )
        if error.code == UNKNOWN_DATABASE:
            return (
                f"there is no database {settings.database!r} at {self._where}: mend [clickhouse] "
                "database, or run the migrations, which create it"
            )
        remedy = ": grant it what it lacks" if error.code == DENIED else ""
        return f"ClickHouse at {self._where} refuses the statement: {_first_line(error)}{remedy}"


@contextmanager
def _fitting(table: str) -> Iterator[None]:
    """Tell values that cannot be sent from a server that cannot be reached."""
    try:
        yield
    except (ServerException, *_AWAY):
        raise
    except _UNFIT as error:
        raise StoreRowsError(
            f"values for table {table} cannot be sent to ClickHouse: {_first_line(error)}"
        ) from error


def _client(settings: ClickHouseSettings, database: str, answer_seconds: int) -> Any:
    return Client(
        host=settings.host,
        port=settings.port,
        user=settings.user,
        password=revealed(settings.password),
        database=database,
        client_name="tidecast",
        connect_timeout=CONNECT_SECONDS,
        send_receive_timeout=answer_seconds,
        compression="lz4",
        # Times without a zone come in ours, and plain_rows turns them into UTC.
        settings={"use_client_time_zone": True},
        **_tls(settings),
    )


def _tls(settings: ClickHouseSettings) -> dict[str, Any]:
    tls = settings.tls
    if tls is None:
        return {"secure": False}
    paths = {"ca_certs": tls.ca, "certfile": tls.certificate, "keyfile": tls.key}
    named = {key: str(path) for key, path in paths.items() if path is not None}
    try:
        tls_context(tls, "clickhouse.tls")  # the driver would call an unusable file a dead server
    except ServiceError as error:
        raise StoreError(str(error)) from error
    return {"secure": True, "check_hostname": tls.verify_host, **named}


def _values(column: Column) -> list[Any]:
    return column.tolist() if isinstance(column, np.ndarray) else list(column)


def _first_line(error: BaseException) -> str:
    text = getattr(error, "message", None) or str(error) or type(error).__name__
    return str(text).strip().split("\n", 1)[0].split(" Stack trace:")[0][:500]
