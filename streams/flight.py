"""Records on their way into the store: split where they are too many, put aside where refused."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from faust.types import TP
from pydantic import ValidationError

from tidecast.state.errors import ContractError, StoreFullError, StoreRowsError
from tidecast.streams.schemas.forecasts import ScoreRecord
from tidecast.streams.schemas.windows import WindowRecord
from tidecast.streams.store import Store
from tidecast.streams.store.decode import decode_predictions
from tidecast.streams.store.rows import actual_columns, score_columns

__all__ = ["INSERT_BYTES", "Flight", "Item", "PutAside", "store_records"]

Columns = dict[str, Any]
INSERT_BYTES = 4 * 1024 * 1024
"""Of records in an insert, but for one larger record: while decoded they take six times that."""


def _actuals(records: Sequence[bytes]) -> Columns:
    return actual_columns([WindowRecord.model_validate_json(record) for record in records])


def _scores(records: Sequence[bytes]) -> Columns:
    return score_columns([ScoreRecord.model_validate_json(record) for record in records])


COLUMNS: dict[str, Callable[[Sequence[bytes]], Columns]] = {
    "predictions": decode_predictions,
    "actuals": _actuals,
    "scores": _scores,
}


def store_records(store: Store, table: str, records: Sequence[bytes]) -> int:
    """Insert the records of one topic into their table, in one block; return the rows.

    Raises
    ------
    ContractError
        When a record is not what its topic holds.
    StoreError
        When the store is away or refuses the rows.
    """
    try:
        columns = COLUMNS[table](records)
    except ValidationError as error:
        raise ContractError(f"not a record for table {table}: {error}") from error
    return store.insert(table, columns)


class Item(NamedTuple):
    """A record, and where it stood."""

    place: TP
    offset: int
    value: bytes


class PutAside(NamedTuple):
    """A record that the store will never take, and why."""

    item: Item
    reason: str


class Flight:
    """Some records of each table, to be inserted; what is in is not sent again.

    A store that is away leaves the rest to the next call of ``land``. ``positions`` may be
    committed when it has returned and what is in ``put_aside`` was delivered elsewhere.
    """

    def __init__(self, gathered: Mapping[str, list[Item]], positions: Mapping[TP, int]) -> None:
        self._pieces = deque(
            (table, piece) for table, items in gathered.items() for piece in _fit_to_insert(items)
        )
        self.positions = positions
        self.put_aside: list[PutAside] = []

    def land(self, store: Store, note: Callable[[str, int], None]) -> None:
        """Insert all that is left; ``note`` is told the table and the rows of each insert.

        Raises
        ------
        StoreError
            When the store is away, or refuses for a reason that is not the rows'.
        """
        while self._pieces:
            table, items = self._pieces[0]
            try:
                note(table, store_records(store, table, [item.value for item in items]))
                smaller = []
            except StoreFullError:
                smaller = _halves(items)
                if not smaller:
                    raise
            except (ContractError, StoreRowsError) as error:
                smaller = _halves(items)
                if not smaller:
                    self.put_aside.append(PutAside(items[0], f"not_stored: {error}"))
            self._pieces.popleft()
            self._pieces.extendleft((table, part) for part in reversed(smaller))


def _fit_to_insert(items: list[Item]) -> Iterator[list[Item]]:
    """Yield runs of ``items`` of INSERT_BYTES at most, one item at least."""
    piece: list[Item] = []
    size = 0
    for item in items:
        if piece and size + len(item.value) > INSERT_BYTES:
            yield piece
            piece, size = [], 0
        piece.append(item)
        size += len(item.value)
    if piece:
        yield piece


def _halves(items: list[Item]) -> list[list[Item]]:
    """Return both halves; nothing of a single item."""
    middle = len(items) // 2
    return [items[:middle], items[middle:]] if middle else []
