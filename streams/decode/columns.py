"""The columnar path: from frames of raw columns to valid records, and who must be judged."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tidecast.streams.decode.batch import Batch
from tidecast.streams.decode.iso import IsoTimes
from tidecast.streams.decode.names import UNSURE, Codes, KindCodes, NameCodes, looks_coerced
from tidecast.streams.decode.ndjson import read_frames
from tidecast.streams.decode.rules import LARGEST, PLACES, Rules
from tidecast.streams.decode.times import UNITS, time_parser

__all__ = ["ColumnReader"]

Longs = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class ColumnReader:
    """Reads the records of one source column by column.

    It accepts only what it is sure of; it never refuses a record.
    """

    def __init__(
        self, rules: Rules, regions: NameCodes, categories: NameCodes, kinds: KindCodes
    ) -> None:
        self.rules = rules
        self._coders: dict[str, Codes] = {
            "region": regions,
            "category": categories,
            "kind": kinds,
        }
        self._regions = regions
        self._iso = IsoTimes(ZoneInfo(rules.source.time.zone))
        self._parse_time = time_parser(rules.source.time)
        field = rules.source.field
        self._schema: dict[str, pl.DataType] = {field(name): pl.String() for name in rules.texts}
        self._schema |= {field(name): pl.Float64() for name in rules.floats}

    def read(self, records: Sequence[bytes], index: Longs) -> tuple[Batch, Longs]:
        """Return the surely valid of regular ``records``, and the index of the others."""
        frames, left = read_frames(records, index, self._schema)
        batches = [self._empty()]
        unsure = [left]
        for rows, frame in frames:
            batch, sure = self._read_frame(rows, frame)
            batches.append(batch if sure.all() else batch.take(sure))
            unsure.append(rows[~sure])
        return Batch.merged(batches[1:] or batches), np.concatenate(unsure)

    def _empty(self) -> Batch:
        none, code = np.zeros(0, np.int64), np.zeros(0, np.int32)
        return Batch(none, none, code, code, code, np.zeros((len(self.rules.numbers), 0)))

    def _read_frame(self, rows: Longs, frame: pl.DataFrame) -> tuple[Batch, Flags]:
        time, sure = self._times(frame)
        region = self._region_codes(frame)
        category, kind = self._codes(frame, "category"), self._codes(frame, "kind")
        numbers = np.array([self._floats(frame, name) for name in self.rules.numbers])
        sure &= (region != UNSURE) & (category != UNSURE) & (kind != UNSURE)
        sure &= self._in_range(numbers)
        kind, numbers = self._signed(kind, numbers)
        return Batch(rows, time, region, category, kind, numbers), sure

    def _column(self, frame: pl.DataFrame, name: str) -> pl.Series:
        column = frame[self.rules.source.field(name)]
        default = self.rules.source.defaults.get(name)
        return column if default is None else column.fill_null(default)

    def _floats(self, frame: pl.DataFrame, name: str) -> Floats:
        column = self._column(frame, name)
        if column.has_nulls():
            column = column.fill_null(float("nan"))
        return column.to_numpy()

    def _codes(self, frame: pl.DataFrame, name: str) -> NDArray[np.int32]:
        """Return a code for each text; nulls and what is not trusted are UNSURE."""
        column = self._column(frame, name)
        texts = column.unique().drop_nulls()
        codes = self._coders[name].trusted(texts.to_list())
        places = column.cast(pl.Enum(texts)).to_physical()
        if not column.has_nulls():
            return np.take(codes, places.to_numpy())
        codes = np.append(codes, np.int32(UNSURE))
        return np.take(codes, places.fill_null(len(codes) - 1).to_numpy())

    def _region_codes(self, frame: pl.DataFrame) -> NDArray[np.int32]:
        if self.rules.locator is None:
            return self._codes(frame, "region")
        lat, lng = (self._floats(frame, name) for name in PLACES)
        codes = np.full(len(lat), UNSURE, np.int32)
        inside = np.flatnonzero((np.abs(lat) <= 90) & (np.abs(lng) <= 180))  # NaN is not
        name, number = self.rules.locator.name, self._regions.number
        positions = zip(lat[inside].tolist(), lng[inside].tolist(), strict=True)
        codes[inside] = [number(name(*position)) for position in positions]
        return codes

    def _times(self, frame: pl.DataFrame) -> tuple[Longs, Flags]:
        column = frame[self.rules.source.field("event_time")]
        time_format = self.rules.source.time.format
        if time_format in UNITS:
            return self._epochs(column.fill_null(float("nan")).to_numpy(), UNITS[time_format])
        if time_format == "iso":
            times, sure = self._iso_times(column.fill_null(""))
        else:
            times, sure = self._pattern_times(column)
        first, end = self.rules.span
        return times, sure & (times >= first) & (times < end)

    def _epochs(self, values: Floats, unit: float) -> tuple[Longs, Flags]:
        micros = np.rint(values * unit)
        first, end = self.rules.span
        sure = (micros >= first) & (micros < end)
        return np.where(sure, micros, 0).astype(np.int64), sure

    def _iso_times(self, column: pl.Series) -> tuple[Longs, Flags]:
        buffer = np.frombuffer(column.str.join("").item().encode(), np.uint8)
        lengths = column.str.len_bytes().to_numpy().astype(np.int64)
        return self._iso.read(buffer, np.cumsum(lengths) - lengths, lengths)

    def _pattern_times(self, column: pl.Series) -> tuple[Longs, Flags]:
        texts = column.unique().drop_nulls()
        parsed = [self._pattern_time(text) for text in texts.to_list()]
        table = np.array([*(time or 0 for time in parsed), 0], np.int64)
        known = np.array([*(time is not None for time in parsed), False])
        places = column.cast(pl.Enum(texts)).to_physical().fill_null(len(parsed)).to_numpy()
        return table[places], known[places]

    def _pattern_time(self, text: str) -> int | None:
        try:
            return None if looks_coerced(text) else self._parse_time(text)
        except ValueError:
            return None

    def _in_range(self, numbers: Floats) -> Flags:
        """Tell which records have no number that is missing, too large or wrongly negative."""
        sure = np.ones(numbers.shape[1], np.bool_)
        for name, values in zip(self.rules.numbers, numbers, strict=True):
            fine = np.abs(values) * self.rules.scales[name] <= LARGEST
            if self.rules.source.negative_units == "refuse":
                fine &= values >= 0
            sure &= fine if name in self.rules.needed_numbers else fine | np.isnan(values)
        return sure

    def _signed(self, kind: NDArray[np.int32], numbers: Floats) -> tuple[NDArray[np.int32], Floats]:
        if self.rules.source.negative_units != "cancellation":
            return kind, numbers
        cancelled = (numbers < 0).any(axis=0)
        code = np.int32(self.rules.kinds.index("cancellation"))
        return np.where(cancelled, code, kind), np.abs(numbers)
