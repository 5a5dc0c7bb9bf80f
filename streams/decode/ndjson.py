"""Batches of records as columns, by polars: any JSON object, in any order of fields."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tidecast.streams.decode.rules import MAX_DEPTH

__all__ = ["MIN_ROWS", "read_frames", "regular"]

Longs = NDArray[np.int64]
Flags = NDArray[np.bool_]
MIN_ROWS = 16  # fewer are judged one by one: that costs less than a call of polars

NEWLINE, OPENING, CLOSING, BRACKET = b"\n{}["


def regular(records: Sequence[bytes], record_bytes: int) -> Flags:
    """Tell which records are one line each, from { to }, neither too long nor nested too deep."""
    joined = np.frombuffer(b"\n".join(records), np.uint8)
    breaks = np.flatnonzero(joined == NEWLINE)
    if len(breaks) != len(records) - 1:
        return np.array([_is_regular(record, record_bytes) for record in records], np.bool_)
    starts = np.concatenate(([0], breaks + 1))
    ends = np.concatenate((breaks, [len(joined)]))
    fine = (ends - starts <= record_bytes) & (ends > starts)
    fine[fine] = (joined[starts[fine]] == OPENING) & (joined[ends[fine] - 1] == CLOSING)
    openings = np.count_nonzero(joined == OPENING) + np.count_nonzero(joined == BRACKET)
    if openings > len(records) + MAX_DEPTH:
        fine &= np.array([_is_shallow(record) for record in records], np.bool_)
    return fine


def _is_regular(record: bytes, record_bytes: int) -> bool:
    whole = record.startswith(b"{") and record.endswith(b"}") and b"\n" not in record
    return whole and len(record) <= record_bytes and _is_shallow(record)


def _is_shallow(record: bytes) -> bool:
    return record.count(b"[") + record.count(b"{") <= MAX_DEPTH


def read_frames(
    records: Sequence[bytes], index: Longs, schema: dict[str, pl.DataType]
) -> tuple[list[tuple[Longs, pl.DataFrame]], Longs]:
    """Return frames of the regular ``records``, each with their index, and who is left over.

    A record that polars refuses is found by halving; halves that grow small are left over.
    """
    frames: list[tuple[Longs, pl.DataFrame]] = []
    left: list[Longs] = []
    parts = [(0, len(records))]
    while parts:
        start, end = parts.pop()
        rows = index[start:end]
        if end - start < MIN_ROWS:
            left.append(rows)
        elif (frame := _read(records[start:end], schema)) is not None:
            frames.append((rows, frame))
        elif end - start == 1:
            left.append(rows)
        else:
            middle = (start + end) // 2
            parts += [(start, middle), (middle, end)]
    return frames, np.concatenate(left) if left else index[:0]


def _read(records: Sequence[bytes], schema: dict[str, pl.DataType]) -> pl.DataFrame | None:
    try:
        frame = pl.read_ndjson(b"\n".join(records), schema=schema)
    except pl.exceptions.PolarsError:
        return None
    return frame if frame.height == len(records) else None
