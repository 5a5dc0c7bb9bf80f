"""The columnar path, from raw columns to valid records, and who must be judged."""

from __future__ import annotations

from typing import Protocol
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from tidecast.streams.decode.batch import Batch
from tidecast.streams.decode.dictionaries import Dictionaries
from tidecast.streams.decode.ids import Ids
from tidecast.streams.decode.iso import IsoTimes
from tidecast.streams.decode.names import UNSURE
from tidecast.streams.decode.rules import LARGEST, PLACES, Rules
from tidecast.streams.decode.times import UNITS

__all__ = ["Columns", "Settler"]

Longs = NDArray[np.int64]
Codes = NDArray[np.int32]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Columns(Protocol):
    """The raw values of some records by our name of the field; defaults are filled in."""

    def codes(self, name: str) -> Codes:
        """Return the code of each record's text, UNSURE where it must be judged."""

    def floats(self, name: str) -> Floats:
        """Return each record's number, NaN where it has none."""

    def ids(self) -> tuple[Ids, Flags]:
        """Return the hash of each event's id, and which are sure."""

    def time_texts(self) -> tuple[NDArray[np.uint8], Longs, Longs]:
        """Return a buffer, and the start and length in it of each record's event time."""


class Settler:
    """Applies the contract of one source to columns.

    It accepts only what it is sure of; it never refuses a record.
    """

    def __init__(self, rules: Rules, dictionaries: Dictionaries) -> None:
        self.rules = rules
        self._dictionaries = dictionaries
        self._iso = IsoTimes(ZoneInfo(rules.source.time.zone))

    def settle(self, index: Longs, columns: Columns) -> tuple[Batch, Flags]:
        """Return the records of ``index`` as arrays, and which of them are surely valid."""
        with np.errstate(over="ignore", invalid="ignore"):  # too large is out of range, as NaN is
            time, sure = self._times(columns)
            region = self._regions(columns)
            category, kind = columns.codes("category"), columns.codes("kind")
            found = [columns.floats(name) for name in self.rules.numbers]  # of stock there are none
            numbers = np.array(found, np.float64).reshape(len(found), len(index))
            sure &= (region != UNSURE) & (category != UNSURE) & (kind != UNSURE)
            sure &= self._in_range(numbers)
            kind, numbers = self._signed(kind, numbers)
        ids = None
        if self.rules.id_field is not None:
            ids, is_id = columns.ids()
            sure &= is_id
        return Batch(index, time, region, category, kind, numbers, ids), sure

    def _times(self, columns: Columns) -> tuple[Longs, Flags]:
        time_format = self.rules.source.time.format
        if time_format in UNITS:
            return self._epochs(columns.floats("event_time") * UNITS[time_format])
        if time_format == "iso":
            times, sure = self._iso.read(*columns.time_texts())
        else:
            codes = columns.codes("event_time")
            times, sure = self._dictionaries.times.times(codes), codes != UNSURE
        first, end = self.rules.span
        return times, sure & (times >= first) & (times < end)

    def _epochs(self, values: Floats) -> tuple[Longs, Flags]:
        micros = np.rint(values)
        first, end = self.rules.span
        sure = (micros >= first) & (micros < end)
        return np.where(sure, micros, 0).astype(np.int64), sure

    def _regions(self, columns: Columns) -> Codes:
        if self.rules.locator is None:
            return columns.codes("region")
        lat, lng = (columns.floats(name) for name in PLACES)
        codes = np.full(len(lat), UNSURE, np.int32)
        inside = np.flatnonzero((np.abs(lat) <= 90) & (np.abs(lng) <= 180))  # NaN is not
        name, number = self.rules.locator.name, self._dictionaries.regions.number
        positions = zip(lat[inside].tolist(), lng[inside].tolist(), strict=True)
        codes[inside] = [number(name(*position)) for position in positions]
        return codes

    def _in_range(self, numbers: Floats) -> Flags:
        """Tell which records have no number that is missing, too large or wrongly negative."""
        sure = np.ones(numbers.shape[1], np.bool_)
        for name, values in zip(self.rules.numbers, numbers, strict=True):
            fine = np.abs(values) * self.rules.scales[name] <= LARGEST
            if self.rules.source.negative_units == "refuse":
                fine &= values >= 0
            sure &= fine if name in self.rules.needed_numbers else fine | np.isnan(values)
        return sure

    def _signed(self, kind: Codes, numbers: Floats) -> tuple[Codes, Floats]:
        if self.rules.source.negative_units != "cancellation":
            return kind, numbers
        cancelled = (numbers < 0).any(axis=0)
        code = np.int32(self.rules.kinds.index("cancellation"))
        return np.where(cancelled, code, kind), np.abs(numbers)
