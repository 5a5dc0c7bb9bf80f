"""What the ClickHouse server must have: an age, tables, rights, room and the time of day."""

from __future__ import annotations

import time
from collections.abc import Iterator

from tidecast.state.errors import StoreError
from tidecast.state.settings import ClickHouseSettings
from tidecast.streams.store import Store, open_server
from tidecast.streams.store.binding import quote_name
from tidecast.streams.store.migrations import load_migrations
from tidecast.tools.doctor.findings import Finding, fail, ok, warn
from tidecast.tools.doctor.machine import room

__all__ = ["examine_store"]

ANSWER_SECONDS = 10
APART_SECONDS = 5
TABLES = ("predictions", "actuals", "scores")
MIGRATE = "`tidecast worker sink` applies them when it starts"


def examine_store(settings: ClickHouseSettings) -> Iterator[Finding]:
    """Look at the server of the settings.

    Raises
    ------
    StoreError
        When it is unreachable, refuses us or is too old.
    """
    # Our own database may not be there yet.
    store = open_server(settings.model_copy(update={"database": "system"}), ANSWER_SECONDS)
    try:
        ((version, now),) = store.query("SELECT version(), toUInt32(now())").rows
        yield ok("clickhouse", f"{version} at {settings.host}:{settings.port}")
        yield _clock(now)
        yield from _disks(store)
        if _has(store, "SELECT count() FROM system.databases WHERE name = %(name)s", settings):
            yield _migrations(store, settings.database)
            yield _inserts(store, settings)
        else:
            missing = f"there is no database {settings.database} yet"
            yield warn("clickhouse tables", missing, MIGRATE.replace("applies them", "makes it"))
    finally:
        store.close()


def _has(store: Store, sql: str, settings: ClickHouseSettings) -> bool:
    ((count,),) = store.query(sql, {"name": settings.database}).rows
    return bool(count)


def _clock(theirs: int) -> Finding:
    apart = theirs - time.time()
    found = f"{abs(apart):.0f} s {'ahead' if apart > 0 else 'behind'}"
    if abs(apart) <= APART_SECONDS:
        return ok("clickhouse clock", "as here")
    return warn("clickhouse clock", f"{found} of ours", "set both clocks by NTP (`timedatectl`)")


def _disks(store: Store) -> Iterator[Finding]:
    known = "SELECT count() FROM system.tables WHERE database = 'system' AND name = 'disks'"
    if store.query(known).rows == [(0,)]:  # servers before 19.15
        return
    for name, free, total in store.query(
        "SELECT name, free_space, total_space FROM system.disks"
    ).rows:
        if total < 1 << 60:  # an object store is as large as can be
            yield room(f"clickhouse disk {name}", free, total, "free some, or set a TTL")


def _migrations(store: Store, database: str) -> Finding:
    name = quote_name(database)
    wanted = {migration.number: migration.name for migration in load_migrations()}
    ((exists,),) = store.query(f"EXISTS TABLE {name}.schema_migrations").rows
    query = f"SELECT DISTINCT number FROM {name}.schema_migrations"  # noqa: S608
    applied = {number for (number,) in store.query(query).rows} if exists else set()
    if unknown := sorted(applied - wanted.keys()):
        found = f"{database} was migrated by a newer tidecast ({unknown[-1]:03})"
        return warn("clickhouse tables", found, "install that version: `pip install -U tidecast`")
    if pending := [wanted[number] for number in sorted(wanted.keys() - applied)]:
        found = f"migrations to come: {', '.join(pending)}"
        return warn("clickhouse tables", found, MIGRATE)
    return ok("clickhouse tables", f"{len(wanted)} migrations applied to {database}")


def _inserts(store: Store, settings: ClickHouseSettings) -> Finding:
    """Insert no rows: what is not allowed is refused all the same."""
    subject, database = "clickhouse rights", quote_name(settings.database)
    for table in TABLES:
        ((exists,),) = store.query(f"EXISTS TABLE {database}.{quote_name(table)}").rows
        if not exists:
            return ok(subject, "not looked at: there are no tables yet")
        place = f"{database}.{quote_name(table)}"
        try:
            store.query(f"INSERT INTO {place} SELECT * FROM {place} LIMIT 0")  # noqa: S608
        except StoreError as error:
            remedy = f"GRANT SELECT, INSERT ON {settings.database}.* TO {settings.user}"
            return fail(subject, f"no insert into {table}: {error}", remedy)
    return ok(subject, f"{settings.user} may insert")
