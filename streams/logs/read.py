"""Read a recorded event log: NDJSON (plain, gzip, zstd) or Parquet, as chunks of raw records."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import polars as pl
import zstandard

from tidecast.state.errors import LogError

__all__ = ["LogReader"]

BLOCK_BYTES = 2 << 20  # about 14,000 records of 150 bytes: enough to decode at full speed
LINE_BYTES = 64 << 20  # a "line" beyond this is not a line of JSON but another kind of file
ZSTD_BYTES = 64 << 10  # of compressed data at a time: what comes out may be much larger
PARQUET_ROWS = 16_384
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class LogReader:
    """Iterate over a log in file order, some ten thousand raw records at a time.

    The kind of file is told by its first bytes, not by its name. A record of NDJSON is a line
    without its line ending; blank lines are no records. A row of Parquet becomes one JSON
    object a row: nulls stay null, times are ISO 8601 with microseconds (and Z where the column
    has a zone), decimals are numbers.

    Parameters
    ----------
    path
        The log.

    Raises
    ------
    LogError
        When the file is missing (at once), or is damaged (while reading).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                self._magic = file.read(4)
            self.total_bytes = path.stat().st_size
        except OSError as error:
            raise LogError(f"log {path} cannot be read: {error.strerror or error}") from error
        self._read_bytes = 0
        self._raw: BinaryIO | None = None

    @property
    def read_bytes(self) -> int:
        """How much of the file as stored has been read: the measure of progress."""
        return self._raw.tell() if self._raw is not None else self._read_bytes

    def __iter__(self) -> Iterator[list[bytes]]:
        try:
            yield from self._parquet() if self._magic == b"PAR1" else self._lines()
        except (OSError, EOFError, zlib.error, zstandard.ZstdError, pl.exceptions.PolarsError) as e:
            raise LogError(f"log {self.path} is damaged or cut short: {e}") from e

    def _lines(self) -> Iterator[list[bytes]]:
        with self.path.open("rb") as self._raw:
            yield from self._split(self._blocks(self._raw))
            self._read_bytes = self.total_bytes
        self._raw = None

    def _blocks(self, raw: BinaryIO) -> Iterator[bytes]:
        if self._magic == b"\x28\xb5\x2f\xfd":
            return _unzstd(raw)
        stream = gzip.GzipFile(fileobj=raw) if self._magic[:2] == b"\x1f\x8b" else raw
        return iter(lambda: stream.read(BLOCK_BYTES), b"")

    def _split(self, blocks: Iterator[bytes]) -> Iterator[list[bytes]]:
        rest = b""
        for number, block in enumerate(blocks):
            text = block if number else block.removeprefix(BYTE_ORDER_MARK)
            lines, newline, tail = text.rpartition(b"\n")
            if newline:
                yield from _records(rest + lines)
                rest = tail
            else:
                rest += text
                self._check_line(rest)
        yield from _records(rest)

    def _check_line(self, line: bytes) -> None:
        if len(line) > LINE_BYTES:
            raise LogError(
                f"log {self.path} has a line of more than {LINE_BYTES >> 20} MiB: "
                "give NDJSON (one JSON object a line; plain, gzip or zstd) or Parquet"
            )

    def _parquet(self) -> Iterator[list[bytes]]:
        frame = pl.scan_parquet(self.path)
        rows = max(1, frame.select(pl.len()).collect().item())
        done = 0
        batches = frame.select(_json_columns(frame.collect_schema())).collect_batches(
            chunk_size=PARQUET_ROWS, maintain_order=True
        )
        for batch in batches:
            lines = io.BytesIO()
            batch.write_ndjson(lines)
            done += batch.height
            self._read_bytes = self.total_bytes * done // rows
            yield from _records(lines.getvalue().rstrip(b"\n"))


def _unzstd(raw: BinaryIO) -> Iterator[bytes]:
    """Yield the contents of all frames; the library's own reader takes a cut frame for whole."""
    frame = zstandard.ZstdDecompressor().decompressobj()
    block = b""
    while data := raw.read(ZSTD_BYTES):
        while data:
            if frame.eof:
                frame = zstandard.ZstdDecompressor().decompressobj()
            block += frame.decompress(data)
            data = frame.unused_data
        if len(block) >= BLOCK_BYTES:
            yield block
            block = b""
    if not frame.eof:
        raise EOFError("the last zstd frame is not complete")
    yield block


def _records(lines: bytes) -> Iterator[list[bytes]]:
    """Yield the lines as one chunk, or nothing when all of them are blank."""
    if b"\r" in lines:
        lines = (lines + b"\n").replace(b"\r\n", b"\n")
    if records := list(filter(None, lines.split(b"\n"))):
        yield records


def _json_columns(schema: pl.Schema) -> list[pl.Expr]:
    return [_json_column(name, dtype) for name, dtype in schema.items()]


def _json_column(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if isinstance(dtype, pl.Datetime):
        if dtype.time_zone is None:
            return column.dt.strftime("%Y-%m-%dT%H:%M:%S%.6f")
        return column.dt.convert_time_zone("UTC").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
    if isinstance(dtype, pl.Decimal):
        return column.cast(pl.Float64)
    if isinstance(dtype, pl.Binary):  # text of an unlabelled column; null where it is not UTF-8
        return column.cast(pl.String, strict=False)
    return column
