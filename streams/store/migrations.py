"""Numbered migrations: SQL files beside the deployment, applied once each, in order."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from tidecast.state.errors import StoreError
from tidecast.streams.store.binding import bind

__all__ = ["Migration", "apply_migrations", "load_migrations"]

_FILE = re.compile(r"(\d{3})_(\w+)\.sql")


@dataclass(frozen=True)
class Migration:
    """One file of statements, each of which may run again without harm."""

    number: int
    name: str
    statements: tuple[str, ...]


def load_migrations() -> list[Migration]:
    """Return the migrations that ship with tidecast, in the order of their numbers."""
    found = []
    for file in files("tidecast.deploy").joinpath("clickhouse").iterdir():
        if match := _FILE.fullmatch(file.name):
            statements = _statements(file.read_text(encoding="utf-8"))
            found.append(Migration(int(match[1]), file.name.removesuffix(".sql"), statements))
    return sorted(found, key=lambda migration: migration.number)


def apply_migrations(run: Callable[[str], list[tuple[Any, ...]]]) -> list[str]:
    """Apply what the current database has not seen; return the names of what was applied.

    ``run`` executes one statement and returns its rows. A migration is noted after its last
    statement: one that was cut short runs again, whole.
    """
    applied = _applied_numbers(run)
    names = []
    for migration in load_migrations():
        if migration.number in applied:
            continue
        for statement in migration.statements:
            _run(run, statement)
        run(bind(_NOTE, {"number": migration.number, "name": migration.name}))
        names.append(migration.name)
    return names


def _run(run: Callable[[str], list[tuple[Any, ...]]], statement: str) -> None:
    """Run a statement; of columns, ClickHouse 18.16 does not know IF NOT EXISTS itself."""
    try:
        run(_ADDED_COLUMN.sub(r"\1", statement))
    except StoreError as error:
        if not (_ADDED_COLUMN.match(statement) and "already exists" in str(error)):
            raise


_ADDED_COLUMN = re.compile(r"(ALTER TABLE \w+ ADD COLUMN) IF NOT EXISTS\b")

_NOTE = (
    "INSERT INTO schema_migrations (number, name, applied_at) SELECT %(number)s, %(name)s, now()"
)


def _applied_numbers(run: Callable[[str], list[tuple[Any, ...]]]) -> set[int]:
    ((exists,),) = run("EXISTS TABLE schema_migrations")
    if not exists:
        return set()
    return {number for (number,) in run("SELECT DISTINCT number FROM schema_migrations")}


def _statements(text: str) -> tuple[str, ...]:
    lines = (line for line in text.splitlines() if not line.startswith("--"))
    pieces = (piece.strip() for piece in re.split(r";\s*(?:\n|$)", "\n".join(lines)))
    return tuple(piece for piece in pieces if piece)
