"""Reading logs: every kind of file gives the same records."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
import zstandard

from tidecast.state.errors import LogError
from tidecast.streams.logs import LogReader, read

RECORDS = [b'{"n":%d,"text":"a\\n\xc3\xa9"}' % n for n in range(5_000)]
TEXT = b"\n".join(RECORDS) + b"\n"


def written(folder: Path, content: bytes, name: str = "log") -> LogReader:
    path = folder / name
    path.write_bytes(content)
    return LogReader(path)


def records(reader: LogReader) -> list[bytes]:
    return [record for chunk in reader for record in chunk]


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks that end inside records, many times."""
    monkeypatch.setattr(read, "BLOCK_BYTES", 1_001)


@pytest.mark.parametrize(
    "content",
    [
        TEXT,
        TEXT.removesuffix(b"\n"),
        TEXT.replace(b"\n", b"\r\n"),
        TEXT.replace(b"\n", b"\n\n"),
        b"\xef\xbb\xbf" + TEXT,
        gzip.compress(TEXT),
        gzip.compress(TEXT[:5_000]) + gzip.compress(TEXT[5_000:]),
        zstandard.compress(TEXT),
        zstandard.compress(TEXT[:5_000]) + zstandard.compress(TEXT[5_000:]),
    ],
    ids=["lf", "no-last-lf", "crlf", "blank", "bom", "gzip", "gzip-2", "zstd", "zstd-2"],
)
def test_every_encoding_of_a_log_gives_the_same_records(tmp_path: Path, content: bytes) -> None:
    reader = written(tmp_path, content)
    assert records(reader) == RECORDS
    assert reader.read_bytes == reader.total_bytes == len(content)


def test_the_kind_of_file_is_told_by_its_bytes_not_its_name(tmp_path: Path) -> None:
    assert records(written(tmp_path, gzip.compress(TEXT), "log.ndjson")) == RECORDS


def test_malformed_lines_are_records_too(tmp_path: Path) -> None:
    content = b'{"n":1}\nnot json\n\xff\xfe\n{"n":2}'
    assert records(written(tmp_path, content)) == content.split(b"\n")


def test_an_empty_log_has_no_records(tmp_path: Path) -> None:
    assert records(written(tmp_path, b"")) == []
    assert records(written(tmp_path, b"\n\n")) == []


def test_progress_grows_with_what_is_read(tmp_path: Path) -> None:
    reader = written(tmp_path, zstandard.compress(TEXT * 20))
    seen = [reader.read_bytes for _ in reader]
    assert seen == sorted(seen)
    assert seen[-1] <= reader.total_bytes == reader.read_bytes


def test_a_row_of_parquet_is_a_json_object_with_iso_times(tmp_path: Path) -> None:
    moment = datetime(2024, 3, 31, 1, 30, 0, 5, tzinfo=UTC)
    frame = pl.DataFrame(
        {
            "naive": pl.Series([moment, None]).dt.replace_time_zone(None),
            "zoned": [moment, None],
            "local": pl.Series([moment, None]).dt.convert_time_zone("Europe/London"),
            "whole": [7, None],
            "text": ['"\n\u00e9', None],
            "price": pl.Series([Decimal("1.50"), None]),
            "raw": pl.Series([b"abc", None]),
            "not_a_number": [float("nan"), None],
        }
    )
    frame.write_parquet(tmp_path / "log")
    first, second = (json.loads(record) for record in records(LogReader(tmp_path / "log")))
    assert first == {
        "naive": "2024-03-31T01:30:00.000005",
        "zoned": "2024-03-31T01:30:00.000005Z",
        "local": "2024-03-31T01:30:00.000005Z",
        "whole": 7,
        "text": '"\n\u00e9',
        "price": 1.5,
        "raw": "abc",
        "not_a_number": None,
    }
    assert datetime.fromisoformat(first["zoned"]) == moment
    assert second == dict.fromkeys(frame.columns)


def test_parquet_keeps_the_order_of_rows_over_many_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "PARQUET_ROWS", 100)
    pl.DataFrame({"n": range(1_234)}).write_parquet(tmp_path / "log", row_group_size=77)
    reader = LogReader(tmp_path / "log")
    assert records(reader) == [b'{"n":%d}' % n for n in range(1_234)]
    assert reader.read_bytes == reader.total_bytes


def test_a_missing_log_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(LogError, match=r"absent.*cannot be read"):
        LogReader(tmp_path / "absent")


@pytest.mark.parametrize(
    "content",
    [gzip.compress(TEXT)[:-40], zstandard.compress(TEXT)[:-40], b"PAR1" + TEXT],
    ids=["gzip", "zstd", "parquet"],
)
def test_a_damaged_log_is_an_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(LogError, match=r"broken.*damaged or cut short"):
        records(written(tmp_path, content, "broken"))


def test_a_file_without_lines_is_no_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "LINE_BYTES", 10_000)
    with pytest.raises(LogError, match="give NDJSON"):
        records(written(tmp_path, b"\x00" * 20_000))
