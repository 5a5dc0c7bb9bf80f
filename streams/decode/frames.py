"""Records of any layout as columns, read by polars."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tidecast.streams.decode.dictionaries import Dictionaries
from tidecast.streams.decode.ids import Ids, column_ids
from tidecast.streams.decode.names import UNSURE
from tidecast.streams.decode.rules import Rules

__all__ = ["FrameColumns", "frame_schema"]

Longs = NDArray[np.int64]


def frame_schema(rules: Rules) -> dict[str, pl.DataType]:
    """Return the fields of the record that are needed, and as what polars must read them."""
    field = rules.source.field
    schema: dict[str, pl.DataType] = {field(name): pl.String() for name in rules.texts}
    if rules.id_field is not None:
        schema[rules.id_field] = pl.String()
    return schema | {field(name): pl.Float64() for name in rules.floats}


class FrameColumns:
    """The columns of one frame.

    Polars turns any value into text where text is asked for, so texts are trusted only through
    the dictionaries.
    """

    def __init__(self, rules: Rules, dictionaries: Dictionaries, frame: pl.DataFrame) -> None:
        self._rules = rules
        self._dictionaries = dictionaries
        self._frame = frame

    def _column(self, name: str) -> pl.Series:
        column = self._frame[self._rules.source.field(name)]
        default = self._rules.source.defaults.get(name)
        return column if default is None else column.fill_null(default)

    def codes(self, name: str) -> NDArray[np.int32]:
        """Return the code of each record's text, UNSURE where it must be judged."""
        column = self._column(name)
        texts = column.unique().drop_nulls()
        codes = self._dictionaries.codes[name].trusted(texts.to_list())
        codes = np.append(codes, np.int32(UNSURE))  # for nulls
        places = column.cast(pl.Enum(texts)).to_physical().fill_null(len(texts))
        return np.take(codes, places.to_numpy())

    def floats(self, name: str) -> NDArray[np.float64]:
        """Return each record's number, NaN where it has none."""
        return self._column(name).fill_null(float("nan")).to_numpy()

    def ids(self) -> tuple[Ids, NDArray[np.bool_]]:
        """Return the hash of each event's id, and which are sure."""
        return column_ids(self._frame[str(self._rules.id_field)])

    def time_texts(self) -> tuple[NDArray[np.uint8], Longs, Longs]:
        """Return a buffer, and the start and length in it of each record's event time."""
        column = self._column("event_time").fill_null("")
        buffer = np.frombuffer(column.str.join("").item().encode(), np.uint8)
        lengths = column.str.len_bytes().to_numpy().astype(np.int64)
        return buffer, np.cumsum(lengths) - lengths, lengths
