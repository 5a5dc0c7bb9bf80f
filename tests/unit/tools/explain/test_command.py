"""``tidecast explain`` of recorded logs, and of a checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click_settings import click_settings
from shops import click

from tidecast.models.fold import ForecastFold
from tidecast.models.parts import PARTS
from tidecast.state.bins import HOUR, iso
from tidecast.state.errors import CheckpointError
from tidecast.state.settings import load_settings
from tidecast.streams import newest
from tidecast.streams.checkpoints import Checkpoint, CheckpointLog, Owner
from tidecast.streams.logs import parse_log_specs
from tidecast.streams.replay import Replay
from tidecast.tools.main import run

START = 474_000 * HOUR
SETTINGS = click_settings("clicks", horizon=3)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the settings and two days of clicks in two regions; return their folder."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "tidecast.toml").write_text(SETTINGS)
    counts = np.random.default_rng(3).poisson(4.0, (48, 2))
    lines = [
        click(region=region, event_time=iso(START + hour * HOUR + number * 1_000_000))
        for hour, row in enumerate(counts.tolist())
        for region, count in zip(("north", "south"), row, strict=True)
        for number in range(count)
    ]
    (folder / "clicks.ndjson").write_bytes(b"\n".join(sorted(lines, key=_time)) + b"\n")
    return folder


def _time(line: bytes) -> str:
    return str(json.loads(line)["event_time"])


def explain(shop: Path, *options: str) -> int:
    return run(["--settings", str(shop / "tidecast.toml"), "explain", *options])


def fold(shop: Path) -> ForecastFold:
    settings = load_settings(shop / "tidecast.toml", {})
    logs = parse_log_specs([str(shop / "clicks.ndjson")], settings)
    replay = Replay(settings, logs)
    for _ in replay.closed():
        pass
    return replay.fold


def found(text: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(text)
    return told


NORTH = ("--region", "north", "--category", "books")


def test_logs_are_replayed_and_their_last_forecast_told(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain(shop, str(shop / "clicks.ndjson"), *NORTH) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("traffic of north/books, forecast at 2024-01-30 00:00 (UTC); ")
    assert len(printed.splitlines()) == 2 + 3


def test_a_checkpoint_tells_what_the_log_does(
    shop: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert explain(shop, str(shop / "clicks.ndjson"), *NORTH, "--json") == 0
    of_log = found(capsys.readouterr().out)
    checkpoint = Checkpoint(7, fold(shop).snapshot())

    async def read(_: CheckpointLog, owners: list[Owner]) -> dict[Owner, Checkpoint]:
        return dict.fromkeys(owners, checkpoint)

    monkeypatch.setattr(newest, "partition_counts", lambda *_: {})
    monkeypatch.setattr(CheckpointLog, "read", read)
    assert explain(shop, *NORTH, "--json") == 0
    of_checkpoint = found(capsys.readouterr().out)
    assert of_checkpoint == of_log
    traffic = of_log["series"]["traffic"]
    assert tuple(traffic["parts"]) == PARTS
    for lead, mean in enumerate(traffic["mean"]):
        assert sum(part[lead] for part in traffic["parts"].values()) == pytest.approx(mean)


def test_sums_of_cells_are_told_too(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs = str(shop / "clicks.ndjson")
    assert explain(shop, logs, "--json") == 0
    total = found(capsys.readouterr().out)["series"]["traffic"]["mean"]
    means = []
    for region in ("north", "south"):
        assert explain(shop, logs, "--region", region, "--category", "books", "--json") == 0
        means.append(found(capsys.readouterr().out)["series"]["traffic"]["mean"])
    assert np.allclose(np.sum(means, axis=0), total)


def test_without_a_checkpoint_it_says_how_to_come_by_one(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def read(_: CheckpointLog, owners: list[Owner]) -> dict[Owner, Checkpoint]:
        return {}

    monkeypatch.setattr(newest, "partition_counts", lambda *_: {})
    monkeypatch.setattr(CheckpointLog, "read", read)
    with pytest.raises(CheckpointError, match="tidecast worker forecast"):
        newest.newest_fold(load_settings(shop / "tidecast.toml", {}))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--region", "nord", "--category", "books"), "no cell 'nord/books'; of 3 cells and sums"),
        ((*NORTH, "--series", "demand"), "no such series; use one of traffic"),
    ],
)
def test_what_is_not_there_is_refused_by_name(
    shop: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], complaint: str
) -> None:
    assert explain(shop, str(shop / "clicks.ndjson"), *options) == 2
    assert complaint in capsys.readouterr().err
