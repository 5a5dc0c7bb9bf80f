"""Merging logs by event time."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from tidecast.state.settings import SourceSettings, StreamKind, TimeSettings
from tidecast.streams.logs import LogSpec, Piece, TimedLog, merge, read

START = datetime(2024, 1, 1, tzinfo=UTC)
MINUTE = 60_000_000


def source(name: str, time: TimeSettings | None = None) -> SourceSettings:
    return SourceSettings(
        name=name, topic=name, stream=StreamKind.CLICK, time=time or TimeSettings()
    )


def log(
    folder: Path, name: str, times: list[object], settings: TimeSettings | None = None
) -> LogSpec:
    path = folder / name
    path.write_text(
        "".join(json.dumps({"event_time": time, "n": n}) + "\n" for n, time in enumerate(times))
    )
    return LogSpec(source(name, settings), path)


def minute(number: float) -> str:
    return (START + timedelta(minutes=number)).isoformat()


def minutes_of(piece: Piece) -> list[float]:
    first = int(START.timestamp()) * 1_000_000
    return [(int(time) - first) / MINUTE for time in piece.clock]


@pytest.mark.parametrize(
    ("settings", "texts"),
    [
        (TimeSettings(), ["2024-01-01T00:00:00Z", "2024-01-01T02:00:00+01:00"]),
        (TimeSettings(zone="Europe/Paris"), ["2024-01-01T01:00:00", "2024-01-01 02:00:00"]),
        (TimeSettings(format="s"), [1704067200, 1704070800.0]),
        (TimeSettings(format="ms"), [1704067200000, 1704070800000]),
        (TimeSettings(format="%d/%m/%Y %H:%M"), ["01/01/2024 00:00", "01/01/2024 01:00"]),
    ],
)
def test_event_times_are_read_as_the_source_writes_them(
    tmp_path: Path, settings: TimeSettings, texts: list[object]
) -> None:
    (piece,) = TimedLog(log(tmp_path, "clicks", texts, settings))
    assert piece.times.tolist() == [1704067200000000, 1704070800000000]


@pytest.mark.parametrize(
    "nonsense", ["yesterday", None, True, 5, -1, {"x": 1}, "1960-01-01T00:00Z"]
)
def test_a_record_without_a_time_has_the_time_before_it(tmp_path: Path, nonsense: object) -> None:
    (piece,) = TimedLog(log(tmp_path, "clicks", [minute(1), nonsense, minute(3)]))
    assert minutes_of(piece)[1] == 1
    assert piece.times[1] == piece.times[0]


def test_records_before_the_first_time_have_that_time(tmp_path: Path) -> None:
    (piece,) = TimedLog(log(tmp_path, "clicks", ["?", "?", "?", "?", minute(9)]))
    assert len(set(piece.times.tolist())) == 1
    assert minutes_of(piece) == [9] * 5


def test_a_few_mistaken_times_do_not_move_the_clock(tmp_path: Path) -> None:
    times: list[object] = [minute(n) for n in range(20)]
    times[0] = times[7] = times[8] = times[19] = "2099-01-01T00:00:00Z"
    times[12] = "1970-01-01T00:00:00Z"
    (piece,) = TimedLog(log(tmp_path, "clicks", times))
    assert max(minutes_of(piece)) < 20
    assert minutes_of(piece) == sorted(minutes_of(piece))


def test_the_clock_never_runs_backwards_over_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "BLOCK_BYTES", 500)
    times: list[object] = [minute(n - 30 if n % 60 < 20 else n) for n in range(100, 400)]
    pieces = list(TimedLog(log(tmp_path, "clicks", times)))
    clock = np.concatenate([piece.clock for piece in pieces])
    assert len(pieces) > 5
    assert (np.diff(clock) >= 0).all()


def test_logs_are_merged_and_none_runs_ahead_by_more_than_the_tick(tmp_path: Path) -> None:
    clicks = log(tmp_path, "clicks", [minute(n / 10) for n in range(600)])
    orders = log(tmp_path, "orders", [minute(n / 4) for n in range(240)])
    reached = {"clicks": 0.0, "orders": 0.0}
    seen: dict[str, list[bytes]] = {"clicks": [], "orders": []}
    for piece in merge([TimedLog(clicks), TimedLog(orders)], tick=2 * MINUTE):
        name = piece.spec.source.name
        reached[name] = minutes_of(piece)[-1]
        seen[name] += piece.records
        assert abs(reached["clicks"] - reached["orders"]) < 2 + 2 * 0.25
    assert seen["clicks"] == clicks.path.read_bytes().splitlines()
    assert seen["orders"] == orders.path.read_bytes().splitlines()


def test_a_log_that_is_over_holds_nobody_back(tmp_path: Path) -> None:
    short = log(tmp_path, "orders", [minute(0)])
    long = log(tmp_path, "clicks", [minute(n) for n in range(1_000)])
    empty = log(tmp_path, "empty", [])
    pieces = list(merge([TimedLog(spec) for spec in (short, long, empty)], tick=0))
    assert sum(len(piece.records) for piece in pieces) == 1_001


def test_a_stride_dates_fewer_records_and_loses_none(tmp_path: Path) -> None:
    spec = log(tmp_path, "clicks", [minute(n) for n in range(100)])
    (piece,) = TimedLog(spec, stride=8)
    assert len(piece.records) == len(piece.times) == len(piece.clock) == 100
    assert minutes_of(piece)[40:48] == [40.0] * 8
