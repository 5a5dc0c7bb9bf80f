"""``tidecast replay`` of a recording: which folders it takes, and what it prints."""

from __future__ import annotations

from pathlib import Path

import pytest
from click_settings import click_settings
from partitions import SECOND, START
from recordings import Run
from shops import click

from tidecast.state.bins import iso
from tidecast.state.settings import load_settings
from tidecast.streams.store import open_embedded
from tidecast.tools.main import run

SETTINGS = click_settings("clicks", width="1m", horizon=3)


@pytest.fixture
def settings_path(tmp_path: Path) -> Path:
    path = tmp_path / "tidecast.toml"
    path.write_text(SETTINGS)
    return path


@pytest.fixture
def recording(settings_path: Path, tmp_path: Path) -> Path:
    log = [click(event_time=iso(START + second * SECOND)) for second in range(0, 600, 10)]
    live = Run(load_settings(settings_path, {}), [log, []])
    live.list_partitions(2)
    live.do("read", 0, 1_000)
    live.do("idle", 1)
    return live.keep(tmp_path / "kept").folder


def test_a_recording_is_replayed_into_a_store(
    settings_path: Path, recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "store"
    arguments = ["--settings", str(settings_path), "replay", str(recording)]
    assert run([*arguments, "--store", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "accepted 60" in " ".join(said.split())
    store = open_embedded(folder)
    try:
        ((found,),) = store.query("SELECT sum(value) FROM actuals FINAL").rows
    finally:
        store.close()
    assert found == 54  # nobody has passed the end of the last minute


def test_a_replay_that_is_stopped_says_what_is_left_of_it(
    settings_path: Path,
    recording: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tidecast.tools.replay.run_replay", stopped)
    arguments = ["--settings", str(settings_path), "replay", str(recording)]
    assert run([*arguments, "--store", str(tmp_path / "store")]) == 130
    assert "the same command begins anew" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--key", "category"], "give one FOLDER, and no --key"),
        (["--partition-field", "partition"], "and no --partition-field"),
        (["--partitions", "1"], "and no --partitions"),
        (["clicks.ndjson"], "a recording is replayed alone"),
    ],
)
def test_a_recording_is_dealt_out_already(
    settings_path: Path,
    recording: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    says: str,
) -> None:
    assert run(["--settings", str(settings_path), "replay", str(recording), *more]) == 2
    assert says in " ".join(capsys.readouterr().err.split())


def test_a_folder_that_holds_no_recording_is_named(
    settings_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--settings", str(settings_path), "replay", str(tmp_path)]) == 3
    assert f"{tmp_path} holds no recording" in capsys.readouterr().err
