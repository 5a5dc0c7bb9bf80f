"""A recording is gone on with by its own run only."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidecast.state.errors import LogError
from tidecast.streams.recording.folder import Manifest, Recording

IDS: dict[str, str | None] = {"clicks": "first", "cuts": None}
MANIFEST = Manifest(settings="abc", cuts="cuts", sources={"events": "clicks"}, topic_ids=IDS)


def test_a_new_folder_is_begun_and_one_of_the_same_run_gone_on_with(tmp_path: Path) -> None:
    Recording.begin(tmp_path / "a" / "kept", MANIFEST)
    assert Recording.begin(tmp_path / "a" / "kept", MANIFEST).manifest == MANIFEST


def test_what_a_beginning_that_was_cut_short_has_left_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "recording.json.unfinished").write_text('{"settings"')
    assert Recording.begin(tmp_path, MANIFEST).manifest == MANIFEST
    assert [path.name for path in tmp_path.iterdir()] == ["recording.json"]


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("mine")
    with pytest.raises(LogError, match="holds something else: name a new folder"):
        Recording.begin(tmp_path, MANIFEST)
    assert [path.name for path in tmp_path.iterdir()] == ["letters.txt"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"settings": "xyz"}, r"recorded under other settings \(abc, these are xyz\)"),
        ({"topic_ids": {"clicks": "second"}}, r"clicks was created anew .*second, was first"),
        ({"sources": {"events": "other"}}, "is a recording of cuts and what leads to it"),
    ],
)
def test_another_run_is_refused_by_name(
    tmp_path: Path, changes: dict[str, object], says: str
) -> None:
    Recording.begin(tmp_path, MANIFEST)
    with pytest.raises(LogError, match=says):
        Recording.begin(tmp_path, MANIFEST.model_copy(update=changes))


def test_an_id_that_an_old_broker_does_not_tell_is_no_other_id(tmp_path: Path) -> None:
    Recording.begin(tmp_path, MANIFEST)
    ids = {"clicks": None, "cuts": "known now"}
    Recording.begin(tmp_path, MANIFEST.model_copy(update={"topic_ids": ids}))


def test_no_two_write_at_once(tmp_path: Path) -> None:
    first, second = Recording.begin(tmp_path, MANIFEST), Recording(tmp_path)
    with (
        first.held(),
        pytest.raises(LogError, match="another `tidecast record` writes"),
        second.held(),
    ):
        pass
    with second.held():
        pass


def test_a_folder_without_a_recording_is_named(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="holds no recording"):
        Recording(tmp_path)


def test_another_version_is_refused(tmp_path: Path) -> None:
    Recording.begin(tmp_path, MANIFEST)
    path = tmp_path / "recording.json"
    path.write_text(path.read_text().replace('"recording_version": 1', '"recording_version": 2'))
    with pytest.raises(LogError, match="of another version"):
        Recording(tmp_path)


def test_partitions_are_those_that_have_records(tmp_path: Path) -> None:
    recording = Recording.begin(tmp_path, MANIFEST)
    assert recording.partitions() == []
    for number in (10, 2):
        recording.events("events", number).append(0, 1, [0], [0], [b"{}"])
    assert recording.partitions() == [("events", 2), ("events", 10)]
