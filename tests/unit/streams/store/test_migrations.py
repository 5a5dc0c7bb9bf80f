"""The order of migrations, and when one runs again."""

from __future__ import annotations

from typing import Any

import pytest

from tidecast.state.errors import StoreError
from tidecast.streams.store.migrations import apply_migrations, load_migrations


class Database:
    """Remembers statements; fails at the one that holds ``trap``."""

    def __init__(self, applied: list[int] | None = None, trap: str = "") -> None:
        self.applied = applied
        self.trap = trap
        self.ran: list[str] = []

    def run(self, sql: str) -> list[tuple[Any, ...]]:
        if sql.startswith("EXISTS"):
            return [(int(self.applied is not None),)]
        if sql.startswith("SELECT"):
            return [(number,) for number in self.applied or []]
        if self.trap and self.trap in sql:
            raise StoreError("trapped")
        self.ran.append(sql)
        return []

    @property
    def notes(self) -> list[str]:
        return [sql.split("SELECT ")[1] for sql in self.ran if sql.startswith("INSERT")]


def test_migrations_are_numbered_without_a_gap() -> None:
    numbers = [migration.number for migration in load_migrations()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_every_statement_may_run_again() -> None:
    for migration in load_migrations():
        for statement in migration.statements:
            assert " IF NOT EXISTS " in statement or " IF EXISTS " in statement


def test_a_new_database_gets_all_in_order_and_a_note_of_each() -> None:
    database = Database()
    names = apply_migrations(database.run)

    assert names == [migration.name for migration in load_migrations()]
    assert [note.split(",")[0] for note in database.notes] == [
        str(migration.number) for migration in load_migrations()
    ]


def test_only_what_a_database_has_not_seen_is_applied() -> None:
    database = Database(applied=[1, 2, 4])
    assert apply_migrations(database.run)[0] == "003_actuals"
    assert not any("TABLE IF NOT EXISTS scores" in sql for sql in database.ran)


def test_a_migration_that_failed_half_way_is_not_noted() -> None:
    database = Database(trap="coverage_by_day")
    with pytest.raises(StoreError):
        apply_migrations(database.run)
    assert any("latest_forecast" in sql for sql in database.ran)
    assert not any("005_views" in note for note in database.notes)


def test_a_column_that_is_there_already_is_no_harm_and_another_refusal_is() -> None:
    class Refusing(Database):
        def run(self, sql: str) -> list[tuple[Any, ...]]:
            if sql.startswith("ALTER"):
                assert "IF NOT EXISTS" not in sql  # ClickHouse 18.16 does not know it
                raise StoreError(self.trap)
            return super().run(sql)

    there = "DB::Exception: Cannot add column censored: column with this name already exists."
    assert "007_censored" in apply_migrations(Refusing(trap=there).run)
    with pytest.raises(StoreError, match="no right"):
        apply_migrations(Refusing(trap="no right to alter").run)
