"""The records of a topic partition come back from their pieces, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidecast.state.errors import LogError
from tidecast.streams.recording.track import Track

RECORDS: list[tuple[int, int, bytes | None]] = [
    (5, 1_000, b"\x00\xff\n"),
    (6, 900, None),
    (9, 2_000, b""),
    (10, 2_000, b"plain"),
]


def append(track: Track, first: int, end: int) -> None:
    inside = [record for record in RECORDS if first <= record[0] < end]
    offsets, times_ms, values = zip(*inside, strict=True)
    track.append(first, end, offsets, times_ms, values)


def read(track: Track) -> list[tuple[int, int, bytes | None]]:
    return [
        record
        for part in track.read()
        for record in zip(part.offsets.tolist(), part.times_ms.tolist(), part.values, strict=True)
    ]


def test_bytes_tombstones_offsets_and_times_come_back_across_pieces(tmp_path: Path) -> None:
    track = Track(tmp_path / "0")
    append(track, 5, 8)
    append(track, 8, 11)
    assert read(Track(tmp_path / "0")) == RECORDS
    assert [(piece.first, piece.end) for piece in track.pieces()] == [(5, 8), (8, 11)]


def test_progress_is_told_in_bytes(tmp_path: Path) -> None:
    track = Track(tmp_path)
    append(track, 5, 8)
    append(track, 8, 11)
    reading = track.read()
    next(reading)
    assert 0 < track.read_bytes < track.total_bytes
    next(reading)
    assert track.read_bytes == track.total_bytes


def test_nothing_was_recorded_where_there_is_no_folder(tmp_path: Path) -> None:
    track = Track(tmp_path / "none")
    assert track.pieces() == read(track) == []


def test_what_a_writer_that_died_left_unfinished_is_nothing(tmp_path: Path) -> None:
    track = Track(tmp_path)
    append(track, 5, 8)
    (tmp_path / "00000000000000000008-00000000000000000011.unfinished").write_bytes(b"PAR1 torn")
    assert read(track) == RECORDS[:2]
    append(track, 8, 11)
    assert read(track) == RECORDS


def test_a_piece_that_is_missing_between_others_is_named(tmp_path: Path) -> None:
    track = Track(tmp_path)
    for first, end in ((5, 6), (6, 9), (9, 11)):
        append(track, first, end)
    track.pieces()[1].path.unlink()
    with pytest.raises(LogError, match=r"between 0+5-0+6.parquet and 0+9-0+11.parquet is missing"):
        track.pieces()


def test_a_piece_that_was_cut_short_is_named(tmp_path: Path) -> None:
    track = Track(tmp_path)
    append(track, 5, 11)
    path = track.pieces()[0].path
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(LogError, match=rf"{path} of a recording is damaged"):
        read(track)


def test_a_file_that_is_no_piece_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.parquet").write_bytes(b"")
    with pytest.raises(LogError, match=r"notes.parquet is no piece of a recording"):
        Track(tmp_path).pieces()


def test_a_piece_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(LogError, match="cannot be written"):
        append(Track(tmp_path / "file"), 5, 11)
