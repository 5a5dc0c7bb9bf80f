"""The decoder: batches of raw records in, events out, and the refusals with their reasons."""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from tidecast.state.cells import CellIndex
from tidecast.state.errors import ContractError
from tidecast.state.events import Events, Refusal
from tidecast.state.settings import Settings, SourceSettings
from tidecast.streams.decode.batch import Batch, addends
from tidecast.streams.decode.cells import CellNumbers
from tidecast.streams.decode.columns import ColumnReader
from tidecast.streams.decode.judge import Judge, Judged
from tidecast.streams.decode.names import KindCodes, NameCodes
from tidecast.streams.decode.ndjson import regular
from tidecast.streams.decode.rules import Rules

__all__ = ["Decoder"]

MAX_NAMES = 65_536  # of regions or categories; beyond that the codes are forgotten and learnt anew


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
        self._regions, self._categories = NameCodes(), NameCodes()
        self._kinds = KindCodes(self.rules.words, self.rules.kinds)
        self._reader = ColumnReader(self.rules, self._regions, self._categories, self._kinds)
        self._cells: WeakKeyDictionary[CellIndex, CellNumbers] = WeakKeyDictionary()

    def decode(
        self, records: Sequence[bytes | None], cells: CellIndex
    ) -> tuple[Events, list[Refusal]]:
        """Return the valid events of ``records`` and the refusals, both in offset order.

        ``cells`` is the partition's own index; new cells join it in the order of the records.
        """
        if max(len(self._regions.names), len(self._categories.names)) > MAX_NAMES:
            self._forget()
        batch, left = self._read(records)
        judged, refusals = self._judge_all(records, left)
        whole = Batch.merged([batch, judged]) if len(judged.index) else batch
        if cells not in self._cells:
            self._cells[cells] = CellNumbers(self._regions, self._categories, cells)
        cell = self._cells[cells].of(whole.region, whole.category)
        return Events(whole.index, whole.time, cell, addends(whole, self.rules)), refusals

    def _read(self, records: Sequence[bytes | None]) -> tuple[Batch, NDArray[np.int64]]:
        index = np.arange(len(records))
        lines: Sequence[bytes] = [record or b"" for record in records]
        fine = regular(lines, self.rules.settings.limits.record_bytes)
        if not fine.all():
            lines = [lines[row] for row in np.flatnonzero(fine).tolist()]
        batch, left = self._reader.read(lines, index[fine])
        return batch, np.sort(np.concatenate((left, index[~fine])))

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
            np.array([self._regions.number(event.region) for event in valid], np.int32),
            np.array([self._categories.number(event.category) for event in valid], np.int32),
            np.array([kinds.index(event.kind) for event in valid], np.int32),
            numbers.reshape(len(valid), len(self.rules.numbers)).T,
        )
