"""Valid records as arrays: what both ways of decoding make, and the terms they add up to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidecast.streams.decode.ids import Ids
from tidecast.streams.decode.rules import Rules

__all__ = ["Batch", "addends"]

Longs = NDArray[np.int64]
Codes = NDArray[np.int32]


@dataclass(frozen=True)
class Batch:
    """Some valid records of a batch.

    ``index`` is the place in the batch, ``time`` microseconds UTC; region, category and kind are
    codes; ``numbers`` is (number, record), NaN where the record has none. ``ids`` are the hashes of
    the events' ids, where these are read.
    """

    index: Longs
    time: Longs
    region: Codes
    category: Codes
    kind: Codes
    numbers: NDArray[np.float64]
    ids: Ids | None = None

    def take(self, rows: NDArray[np.bool_] | Longs) -> Batch:
        """Return some of the records."""
        return Batch(
            self.index[rows],
            self.time[rows],
            self.region[rows],
            self.category[rows],
            self.kind[rows],
            self.numbers[:, rows],
            None if self.ids is None else self.ids[rows],
        )

    @classmethod
    def merged(cls, batches: Sequence[Batch]) -> Batch:
        """Return the records of all ``batches`` in the order of the log."""
        batches = [batch for batch in batches if len(batch.index)] or batches[:1]
        if len(batches) == 1:
            return batches[0]
        whole = cls(
            np.concatenate([batch.index for batch in batches]),
            np.concatenate([batch.time for batch in batches]),
            np.concatenate([batch.region for batch in batches]),
            np.concatenate([batch.category for batch in batches]),
            np.concatenate([batch.kind for batch in batches]),
            np.concatenate([batch.numbers for batch in batches], axis=1),
            None if batches[0].ids is None else np.concatenate([batch.ids for batch in batches]),
        )
        return whole.take(np.argsort(whole.index, kind="stable"))


def addends(batch: Batch, rules: Rules) -> Longs:
    """Return what each record adds to each term of its source, (record, term), fixed point."""
    out = np.zeros((len(batch.index), len(rules.terms)), np.int64)  # (record, term)
    for column, term in enumerate(rules.terms):
        if term.of is None:
            values = np.ones(len(batch.index), np.int64)
        else:
            numbers = batch.numbers[rules.numbers.index(term.of)]
            scaled = np.isfinite(numbers) if term.counts else numbers * 10.0**term.decimals
            values = np.rint(np.nan_to_num(scaled)).astype(np.int64)
        if term.kinds:
            kinds = np.array([kind in term.kinds for kind in rules.kinds])
            values = values * kinds[batch.kind]
        out[:, column] = values
    return out
