"""The ids of events as 64-bit hashes, the same on every machine and in every version."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl
import xxhash
from numpy.typing import NDArray

from tidecast.state.event_ids import NO_ID
from tidecast.streams.decode.names import WHOLE
from tidecast.streams.schemas.events import as_text

__all__ = ["Ids", "as_id", "column_ids", "hashed", "number_ids", "text_ids"]

WRITTEN = r"^(?:0|-?[1-9][0-9]{0,14})$"  # whole numbers that are their own text
LONE = "\0"  # what polars makes of a lone surrogate
COERCED = r"(?s)^(?:true|false|null|[\[{].*|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)$"

Ids = NDArray[np.uint64]
Flags = NDArray[np.bool_]
Longs = NDArray[np.int64]


def as_id(value: object) -> str:
    """Return the text of an event's id, empty where ``value`` is none.

    Texts and whole numbers are ids; all else is not.

    Examples
    --------
    >>> as_id("a7"), as_id(7.0), as_id([7]), as_id(None)
    ('a7', '7', '', '')
    """
    text = as_text(value)
    return text if isinstance(text, str) else ""


def hashed(texts: Iterable[bytes | memoryview]) -> Ids:
    """Return the hash of each id in UTF-8; NO_ID for an empty one, and for no other."""
    digest = xxhash.xxh3_64_intdigest
    return np.array([digest(text) or 1 if text else NO_ID for text in texts], np.uint64)


def column_ids(column: pl.Series) -> tuple[Ids, Flags]:
    """Return the ids of a column that polars read, and which are sure to have been ids."""
    is_coerced = column.str.contains(COERCED) & ~column.str.contains(WRITTEN)
    is_doubtful = is_coerced | column.str.contains(LONE, literal=True)
    sure = ~is_doubtful.fill_null(False).to_numpy()
    return hashed(text.encode() for text in column.fill_null("").to_list()), sure


def text_ids(buffer: NDArray[np.uint8], starts: Longs, ends: Longs) -> Ids:
    """Return the ids between the quotation marks at ``starts`` and ``ends``."""
    return hashed(_between(buffer, starts, ends))


def number_ids(buffer: NDArray[np.uint8], starts: Longs, ends: Longs) -> tuple[Ids, Flags]:
    """Return the ids written as numbers, and which are sure to be whole."""
    texts = [bytes(text) for text in _between(buffer, starts, ends)]
    sure = np.array([WHOLE.fullmatch(text.decode()) is not None for text in texts], np.bool_)
    return hashed(texts), sure


def _between(buffer: NDArray[np.uint8], starts: Longs, ends: Longs) -> list[memoryview]:
    view = buffer.data
    return [view[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
