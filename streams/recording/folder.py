"""The folder of a recording: its manifest, and where the records of each topic partition lie.

    recording.json                       the manifest: settings, topics
    warm-up.checkpoint                   what the forecaster began with, if it was warmed up
    cuts/FIRST-END.parquet               the forecaster's input log: cuts and decisions
    events/SOURCE/PARTITION/...          the records of a source partition

Another kind of input is another folder beside these.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from tidecast.state.errors import LogError
from tidecast.streams.recording.track import Track, sync

__all__ = ["Manifest", "Recording"]

MANIFEST = "recording.json"
WARM_UP = "warm-up.checkpoint"


class Manifest(BaseModel):
    """What a recording is of; how far it reaches, the names of its pieces say."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    recording_version: Literal[1] = 1
    settings: str
    """The fingerprint of the settings that the workers ran under."""

    cuts: str
    """The name of the cuts topic."""

    sources: dict[str, str]
    """The topic of each source."""

    topic_ids: dict[str, str | None]
    """The id that the broker gave each topic; None from brokers that give none."""


class Recording:
    """A live run kept in ``folder``.

    Raises
    ------
    LogError
        When the folder holds no recording, or one of another version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            text = (folder / MANIFEST).read_bytes()
        except OSError as error:
            raise LogError(f"{folder} holds no recording ({error.strerror})") from error
        try:
            self.manifest = Manifest.model_validate_json(text)
        except ValidationError as error:
            raise LogError(
                f"{folder / MANIFEST} is damaged or of another version of tidecast: {error}"
            ) from error

    @classmethod
    def begin(cls, folder: Path, manifest: Manifest) -> Recording:
        """Return the recording in ``folder``, begun where there is none; it must be of the same.

        Raises
        ------
        LogError
            When the folder holds a recording of another run, or anything else.
        """
        if not cls.is_in(folder):
            folder.mkdir(parents=True, exist_ok=True)
            if any(path != _unfinished(folder / MANIFEST) for path in folder.iterdir()):
                raise LogError(f"{folder} holds something else: name a new folder")
            _write(folder / MANIFEST, manifest.model_dump_json(indent=1).encode() + b"\n")
        recording = cls(folder)
        recording.refuse_other(manifest)
        return recording

    @classmethod
    def is_in(cls, folder: Path) -> bool:
        """Tell whether ``folder`` holds a recording."""
        return (folder / MANIFEST).is_file()

    def refuse_other(self, manifest: Manifest) -> None:
        """Refuse to go on with the recording of another run.

        Raises
        ------
        LogError
            Naming what is another.
        """
        self.refuse_settings(manifest.settings)
        for topic, found in manifest.topic_ids.items():
            kept = self.manifest.topic_ids.get(topic, found)
            if None not in (kept, found) and kept != found:
                raise LogError(
                    f"topic {topic} was created anew since {self.folder} was begun (its id is "
                    f"{found}, was {kept}): that recording has ended; name a new folder"
                )
        if (self.manifest.cuts, self.manifest.sources) != (manifest.cuts, manifest.sources):
            raise LogError(
                f"{self.folder} is a recording of {self.manifest.cuts} and what leads to it, not "
                f"of {manifest.cuts}: name a new folder"
            )

    def refuse_settings(self, fingerprint: str) -> None:
        """Refuse other settings than those that the workers ran under.

        Raises
        ------
        LogError
            When they are others.
        """
        if fingerprint != self.manifest.settings:
            raise LogError(
                f"{self.folder} was recorded under other settings ({self.manifest.settings}, "
                f"these are {fingerprint}): give the settings that the workers ran under, or name "
                "another folder"
            )

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let nobody else write to the recording meanwhile.

        Raises
        ------
        LogError
            When somebody does.
        """
        with (self.folder / MANIFEST).open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise LogError(
                    f"another `tidecast record` writes to {self.folder}: name another folder"
                ) from error
            yield

    @property
    def warm_up(self) -> bytes | None:
        """The state that the live forecaster began with, None where it began empty."""
        path = self.folder / WARM_UP
        return path.read_bytes() if path.is_file() else None

    def keep_warm_up(self, state: bytes) -> None:
        """Keep the state that the live forecaster began with."""
        _write(self.folder / WARM_UP, state)

    @property
    def cuts(self) -> Track:
        """The messages of the cuts topic."""
        return Track(self.folder / "cuts")

    def events(self, source: str, partition: int) -> Track:
        """Return the records of a source partition."""
        return Track(self.folder / "events" / source / str(partition))

    def partitions(self) -> list[tuple[str, int]]:
        """Return the source partitions that there are records of."""
        found = (self.folder / "events").glob("*/*/")
        return sorted((path.parent.name, int(path.name)) for path in found)


def _write(path: Path, content: bytes) -> None:
    """Write a file that is there whole or not at all, and outlasts a loss of power."""
    unfinished = _unfinished(path)
    unfinished.write_bytes(content)
    sync(unfinished)
    unfinished.rename(path)
    sync(path.parent)


def _unfinished(path: Path) -> Path:
    """Return where a file is written before it is there."""
    return path.with_name(f"{path.name}.unfinished")
