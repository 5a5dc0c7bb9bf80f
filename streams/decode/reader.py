"""The two quick ways of reading a batch: by the shapes of its records, and by polars."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tidecast.streams.decode.batch import Batch
from tidecast.streams.decode.columns import Settler
from tidecast.streams.decode.dictionaries import Dictionaries
from tidecast.streams.decode.frames import FrameColumns, frame_schema
from tidecast.streams.decode.lines import Lines
from tidecast.streams.decode.ndjson import read_frames, regular
from tidecast.streams.decode.rules import Rules
from tidecast.streams.decode.shaped import ShapeColumns, is_useful
from tidecast.streams.decode.shapes import Shape, learn_shape

__all__ = ["FrameReader", "ShapeReader"]

Longs = NDArray[np.int64]

MAX_SHAPES = 8
MIN_SHAPED = 64  # fewer records left over are not worth learning a shape from


class ShapeReader:
    """Reads the records of one source by the shapes that it knows, and learns new ones."""

    def __init__(self, rules: Rules, dictionaries: Dictionaries) -> None:
        self._rules = rules
        self._dictionaries = dictionaries
        self._settler = Settler(rules, dictionaries)
        self._shapes: list[Shape] = []

    def read(self, records: Sequence[bytes]) -> tuple[list[Batch], Longs]:
        """Return the surely valid ``records`` by shape, and the index of the others."""
        lines = Lines.of(records, self._rules.settings.limits.record_bytes)
        batches: list[Batch] = []
        left = np.flatnonzero(lines.clean)
        done = np.zeros(len(records), np.bool_)
        for shape in list(self._shapes):
            left = self._read_shape(shape, lines, left, batches, done)
        for place in (0, 0.5, 1.0):
            if len(left) < MIN_SHAPED:
                break
            learnt = self._learn(records[int(left[int(place * (len(left) - 1))])])
            if learnt is not None:
                left = self._read_shape(learnt, lines, left, batches, done)
        return batches, np.flatnonzero(~done)

    def _learn(self, record: bytes) -> Shape | None:
        """Return the shape of a record if it is new and useful; the oldest makes way."""
        shape = learn_shape(record)
        if shape is None or shape in self._shapes or not is_useful(shape, self._rules):
            return None
        self._shapes = [*self._shapes[-(MAX_SHAPES - 1) :], shape]
        return shape

    def _read_shape(
        self,
        shape: Shape,
        lines: Lines,
        left: Longs,
        batches: list[Batch],
        done: NDArray[np.bool_],
    ) -> Longs:
        """Read the records of one shape, and return the others."""
        rows, columns = ShapeColumns.of(shape, lines, left, self._rules, self._dictionaries)
        if not len(rows):
            return left
        batch, valid = self._settler.settle(rows, columns)
        batches.append(batch if valid.all() else batch.take(valid))
        done[rows[valid]] = True
        return np.setdiff1d(left, rows, assume_unique=True) if len(rows) < len(left) else left[:0]


class FrameReader:
    """Reads the records of one source by polars, whatever their layout."""

    def __init__(self, rules: Rules, dictionaries: Dictionaries) -> None:
        self._rules = rules
        self._dictionaries = dictionaries
        self._settler = Settler(rules, dictionaries)
        self._schema = frame_schema(rules)

    def read(self, records: Sequence[bytes], index: Longs) -> tuple[list[Batch], Longs]:
        """Return the surely valid of the records at ``index``, and the index of the others."""
        chosen = [records[i] for i in index.tolist()]
        fine = regular(chosen, self._rules.settings.limits.record_bytes)
        chosen = [record for record, is_fine in zip(chosen, fine.tolist(), strict=True) if is_fine]
        frames, left = read_frames(chosen, index[fine], self._schema)
        batches, unsure = [], [left, index[~fine]]
        for rows, frame in frames:
            columns = FrameColumns(self._rules, self._dictionaries, frame)
            batch, sure = self._settler.settle(rows, columns)
            batches.append(batch if sure.all() else batch.take(sure))
            unsure.append(rows[~sure])
        return batches, np.sort(np.concatenate(unsure))
