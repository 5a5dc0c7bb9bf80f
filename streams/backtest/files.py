"""The file of a long table: Parquet, or CSV as people write it."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import polars as pl

from tidecast.state.errors import LogError

__all__ = ["open_table", "texts_of", "why"]

HEAD = 1 << 16
"""Bytes that tell what a file is."""

SEPARATORS = (",", ";", "\t", "|")
"""Between the fields of a CSV; the likeliest first."""

REMEDIES = {
    "utf-8": "save it as UTF-8",
    "could not parse": "write all of a column alike",
    "conversion from": "in a column of numbers a missing one is an empty field, and digits are not "
    "grouped (1,000)",
    "more fields": "a row has more fields than the header: mend it, or quote its texts",
}
"""What to do where polars says so."""


def open_table(path: Path) -> pl.LazyFrame:
    """Return a table of Parquet or CSV (plain or gzip), not read yet.

    Raises
    ------
    LogError
        When there is no such file, or it is neither, or is a CSV without rows.
    """
    if path.is_dir():
        raise LogError(f"{path} is a folder: name a table in it")
    if not path.is_file():
        raise LogError(f"no table {path}: check the path")
    try:
        frame = _scan(path)
        frame.collect_schema()
    except (OSError, EOFError, zlib.error, pl.exceptions.PolarsError) as error:
        raise LogError(f"table {path} is neither Parquet nor CSV: {why(error)}") from error
    return frame


def texts_of(path: Path, name: str) -> pl.Series:
    """Return the texts of a column of such a table as they are written; none of another type."""
    head = _head(path)
    if head.startswith(b"PAR1"):
        frame = pl.scan_parquet(path)
    else:
        frame = pl.scan_csv(path, separator=_separator(head), null_values=[""], infer_schema=False)
    is_text = frame.collect_schema()[name] == pl.String
    return frame.select(name).collect()[name] if is_text else pl.Series(dtype=pl.String)


def why(error: Exception) -> str:
    """Return the first line of what polars says, and a remedy; the rest is of its own options."""
    said = str(error).partition("\n")[0]
    remedies = [remedy for sign, remedy in REMEDIES.items() if sign in said]
    return ": ".join([said, *remedies[:1]])


def _scan(path: Path) -> pl.LazyFrame:
    head = _head(path)
    if head.startswith(b"PAR1"):
        return pl.scan_parquet(path)
    if b"\0" in head:  # a workbook, an archive, or UTF-16
        raise LogError(f"table {path} is neither Parquet nor CSV: save it as CSV in UTF-8")
    if head.lstrip().startswith((b"{", b"[")):
        raise LogError(
            f"table {path} holds JSON: give Parquet or CSV (an event log is read by settings)"
        )
    header, _, rows = head.partition(b"\n")
    if header and not rows.strip():
        raise LogError(f"table {path} has no rows")
    separator = _separator(header)
    frame = _scan_csv(path, separator)
    if separator == ",":
        return frame
    continental = _scan_csv(path, separator, decimal_comma=True)
    return max(frame, continental, key=_numbers)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        head = file.read(HEAD)
    if head.startswith(b"\x1f\x8b"):
        with gzip.open(path) as unpacked:
            return unpacked.read(HEAD)
    return head


def _separator(head: bytes) -> str:
    """Return what parts the fields of a CSV's header."""
    header = head.partition(b"\n")[0].decode(errors="replace")
    return max(SEPARATORS, key=header.count)


def _scan_csv(path: Path, separator: str, decimal_comma: bool = False) -> pl.LazyFrame:
    """Return a CSV of which all rows tell what a column holds: the first decimal may come late."""
    return pl.scan_csv(
        path,
        separator=separator,
        decimal_comma=decimal_comma,
        null_values=[""],  # quoted ones, too
        try_parse_dates=True,
        infer_schema_length=None,
    )


def _numbers(frame: pl.LazyFrame) -> int:
    """Return how many columns hold numbers."""
    return sum(dtype.is_numeric() for dtype in frame.collect_schema().dtypes())
