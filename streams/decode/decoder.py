"""The decoder: batches of raw records in, events out, and the refusals with their reasons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from tidecast.state.cells import CellIndex
from tidecast.state.errors import ContractError
from tidecast.state.events import Events, Refusal
from tidecast.state.settings import Settings, SourceSettings
from tidecast.streams.decode.batch import Batch, addends
from tidecast.streams.decode.cells import CellNumbers
from tidecast.streams.decode.dictionaries import Dictionaries
from tidecast.streams.decode.ids import Ids, hashed
from tidecast.streams.decode.judge import Judge, Judged
from tidecast.streams.decode.ndjson import MIN_ROWS
from tidecast.streams.decode.reader import FrameReader, ShapeReader
from tidecast.streams.decode.rules import Rules

__all__ = ["Decoder"]

MAX_NAMES = 65_536  # beyond that the codes of texts are forgotten and learnt anew


class Decoder:
    """Decodes the records of one source, for any number of its partitions.

    What comes out does not depend on how the records are batched. One decoder serves one thread at
    a time.

    Raises
    ------
    SettingsError
        When the source's settings contradict each other.
    """

    def __init__(self, settings: Settings, source: SourceSettings) -> None:
        self.rules = Rules(settings, source)
        self._judge = Judge(self.rules)
        self._forget()

    def _forget(self) -> None:
        self._dictionaries = Dictionaries(self.rules)
        self._shapes = ShapeReader(self.rules, self._dictionaries)
        self._frames = FrameReader(self.rules, self._dictionaries)
        self._cells: WeakKeyDictionary[CellIndex, CellNumbers] = WeakKeyDictionary()

    def decode(
        self, records: Sequence[bytes | None], cells: CellIndex
    ) -> tuple[Events, list[Refusal]]:
        """Return the valid events of ``records`` and the refusals, both in offset order.

        ``cells`` is the partition's own index; new cells join it in the order of the records.
        """
        if self._dictionaries.largest > MAX_NAMES:
            self._forget()
        batch, refusals = self._read(records)
        cell = self._numbers(cells).of(batch.region, batch.category)
        terms = addends(batch, self.rules)
        return Events(batch.index, batch.time, cell, terms, batch.ids), refusals

    def _numbers(self, cells: CellIndex) -> CellNumbers:
        if cells not in self._cells:
            known = self._dictionaries
            self._cells[cells] = CellNumbers(known.regions, known.categories, cells)
        return self._cells[cells]

    def _read(self, records: Sequence[bytes | None]) -> tuple[Batch, list[Refusal]]:
        """Read what the quick ways are sure of, then judge the rest."""
        batches, left = self._shapes.read(_lines(records))
        if len(left) >= MIN_ROWS:
            framed, left = self._frames.read(_lines(records), left)
            batches += framed
        judged, refusals = self._judge_all(records, left)
        return Batch.merged([*batches, judged]), refusals

    def _judge_all(
        self, records: Sequence[bytes | None], left: NDArray[np.int64]
    ) -> tuple[Batch, list[Refusal]]:
        rows: list[int] = []
        valid: list[Judged] = []
        refusals: list[Refusal] = []
        for row in left.tolist():
            try:
                valid.append(self._judge.judge(records[row]))
                rows.append(row)
            except ContractError as error:
                refusals.append(Refusal(row, str(error)))
        return self._batch(rows, valid), refusals

    def _batch(self, rows: list[int], valid: list[Judged]) -> Batch:
        kinds = self.rules.kinds
        numbers = np.array([event.numbers for event in valid], np.float64)
        return Batch(
            np.array(rows, np.int64),
            np.array([event.time for event in valid], np.int64),
            np.array(
                [self._dictionaries.regions.number(event.region) for event in valid], np.int32
            ),
            np.array(
                [self._dictionaries.categories.number(event.category) for event in valid], np.int32
            ),
            np.array([kinds.index(event.kind) for event in valid], np.int32),
            numbers.reshape(len(valid), len(self.rules.numbers)).T,
            self._ids(valid),
        )

    def _ids(self, valid: list[Judged]) -> Ids | None:
        if self.rules.id_field is None:
            return None
        return hashed(event.event_id.encode("utf-8", "surrogatepass") for event in valid)


def _lines(records: Sequence[bytes | None]) -> Sequence[bytes]:
    """Return the records with no bytes for tombstones; mostly there are none."""
    if all(records):
        return cast("Sequence[bytes]", records)
    return [record or b"" for record in records]
