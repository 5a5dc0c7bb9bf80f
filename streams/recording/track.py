"""The records of one topic partition in files: pieces, each of them whole or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tidecast.state.errors import LogError

__all__ = ["Piece", "Records", "Track", "sync"]

SCHEMA = {"offset": pl.Int64, "time_ms": pl.Int64, "value": pl.Binary}
SUFFIX = ".parquet"
Values = Sequence[bytes | None]
DIGITS = 20  # so that names sort as offsets do


@dataclass(frozen=True)
class Records:
    """Records in offset order: ``times_ms`` are Kafka's, a tombstone is None."""

    offsets: NDArray[np.int64]
    times_ms: NDArray[np.int64]
    values: list[bytes | None]


@dataclass(frozen=True, order=True)
class Piece:
    """A file that holds all records from offset ``first`` to before ``end``."""

    first: int
    end: int
    path: Path


class Track:
    """The pieces of a topic partition, in a folder of their own; each begins where one ends.

    A piece is a Parquet file that is written under another name, synced and renamed: a writer that
    dies leaves no half of one behind.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.read_bytes = 0

    @property
    def total_bytes(self) -> int:
        """How large all pieces are; ``read_bytes`` tells how far a reading has come."""
        return sum(piece.path.stat().st_size for piece in self.pieces())

    def pieces(self) -> list[Piece]:
        """Return the pieces, in order.

        Raises
        ------
        LogError
            When one is missing between others.
        """
        pieces = sorted(_piece(path) for path in self.folder.glob(f"*{SUFFIX}"))
        for before, after in pairwise(pieces):
            if before.end != after.first:
                raise LogError(
                    f"recording {self.folder}: the piece between {before.path.name} and "
                    f"{after.path.name} is missing, or one is there twice: bring it back"
                )
        return pieces

    def append(
        self, first: int, end: int, offsets: Sequence[int], times_ms: Sequence[int], values: Values
    ) -> None:
        """Write the piece from offset ``first`` to before ``end``; it is durable on return.

        Raises
        ------
        LogError
            When it cannot be written.
        """
        path = self.folder / f"{first:0{DIGITS}}-{end:0{DIGITS}}{SUFFIX}"
        unfinished = path.with_suffix(".unfinished")
        columns = {"offset": offsets, "time_ms": times_ms, "value": values}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            pl.DataFrame(columns, schema=SCHEMA).write_parquet(unfinished, compression="zstd")
            sync(unfinished)
            unfinished.rename(path)
            sync(self.folder)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise LogError(f"piece {path} of a recording cannot be written: {error}") from error

    def read(self) -> Iterator[Records]:
        """Yield the records, a piece at a time.

        Raises
        ------
        LogError
            When a piece is missing or damaged.
        """
        for piece in self.pieces():
            records = _read(piece.path)
            self.read_bytes += piece.path.stat().st_size
            yield records


def sync(path: Path) -> None:
    """See to it that a file, or what a folder lists, outlasts a loss of power."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _piece(path: Path) -> Piece:
    first, dash, end = path.stem.partition("-")
    if not (first.isdecimal() and dash and end.isdecimal()):
        raise LogError(f"{path} is no piece of a recording: take it away")
    return Piece(int(first), int(end), path)


def _read(path: Path) -> Records:
    try:
        frame = pl.read_parquet(path, schema=SCHEMA)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise LogError(f"piece {path} of a recording is damaged: {error}") from error
    offsets, times = (frame[name].to_numpy() for name in ("offset", "time_ms"))
    return Records(offsets, times, frame["value"].to_list())
