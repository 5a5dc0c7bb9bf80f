"""Recordings for tests: live runs without a broker, and the folders that keep them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tidecast.models.fold import ForecastFold
from tidecast.state.checkpoint import pack, unpack
from tidecast.state.cuts import InputMessage, Join, PartitionList
from tidecast.state.partition import Batch, Partition
from tidecast.state.settings import Settings
from tidecast.streams.forecast import ForecastOutput
from tidecast.streams.recording.folder import Manifest, Recording
from tidecast.streams.source_fold import SourceFold
from tidecast.streams.wire import encode_input

Sent = tuple[str, bytes | None, bytes]


@dataclass
class Reader:
    """The ingest of one source partition, which may die and begin again at its checkpoint.

    The log begins at offset ``begin``.
    """

    source: SourceFold
    number: int
    log: list[bytes | None]
    begin: int = 0
    state: Partition = field(init=False)
    saved: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.state = self.source.partition(self.number)
        self.state.next_offset = self.begin
        self.save()

    def save(self) -> None:
        self.saved = pack(*self.state.snapshot())

    def die(self) -> None:
        self.state = self.source.partition(self.number)
        self.state.restore(*unpack(self.saved))

    def read(self, count: int) -> Sequence[InputMessage]:
        first = self.state.next_offset
        values = self.log[first - self.begin :][:count]
        batch = Batch(np.arange(first, first + len(values)), values)
        return self.source.step(self.state, batch).cuts if values else []


class Run:
    """A live run of the first source of ``settings``; ``inputs`` is its cuts topic."""

    def __init__(
        self, settings: Settings, logs: Sequence[list[bytes | None]], begin: int = 0
    ) -> None:
        self.settings = settings
        self.name = settings.sources[0].name
        self.inputs: list[InputMessage] = []
        self.readers = [
            Reader(SourceFold(settings, settings.sources[0]), number, log, begin)
            for number, log in enumerate(logs)
        ]

    def list_partitions(self, count: int) -> None:
        self.inputs.append(PartitionList(tuple((self.name, n) for n in range(count))))

    def do(self, action: str, number: int, count: int = 0) -> None:
        """Let the reader of a partition join, read, declare it idle, save its state, or die."""
        reader = self.readers[number]
        if action == "join":
            self.inputs.append(Join(self.name, number))
        elif action == "read":
            self.inputs += reader.read(count)
        elif action == "idle":
            self.inputs.append(reader.state.idle())
        elif action == "save":
            reader.save()
        else:
            reader.die()

    def values(self) -> list[bytes]:
        """Return the records of the cuts topic."""
        return [encode_input(message, self.settings.fingerprint()) for message in self.inputs]

    def sent(self) -> list[Sent]:
        """Return what the forecaster sends, in order."""
        fold = ForecastFold(self.settings, refits_are_decided=True)
        output, told = ForecastOutput(self.settings), None
        sent: list[Sent] = []
        for offset, message in enumerate(self.inputs):
            for given in fold.step(message):
                sent += output.records(given)
            if fold.next_bin not in (None, told):
                told = fold.next_bin
                sent.append(output.progress(0, told or 0, offset + 1))
        return sent

    def keep(self, folder: Path, stops: Iterable[int] = ()) -> Recording:
        """Return a recording of the run, in pieces that end at offsets ``stops``."""
        recording = begun(folder, self.settings)
        write(recording, None, self.values(), stops)
        for reader in self.readers:
            write(recording, (self.name, reader.number), reader.log, stops, reader.begin)
        return recording


def begun(folder: Path, settings: Settings) -> Recording:
    """Return a new recording."""
    sources = {source.name: source.topic for source in settings.sources}
    manifest = Manifest(
        settings=settings.fingerprint(), cuts="tidecast.cuts", sources=sources, topic_ids={}
    )
    return Recording.begin(folder, manifest)


def write(
    recording: Recording,
    key: tuple[str, int] | None,
    values: Sequence[bytes | None],
    stops: Iterable[int] = (),
    begin: int = 0,
) -> None:
    """Write all records of a source partition, or (None) of the cuts topic, from ``begin`` on."""
    track = recording.cuts if key is None else recording.events(*key)
    ends = sorted({stop for stop in stops if 0 < stop < len(values)} | {len(values)} - {0})
    first = 0
    for end in ends:
        offsets = range(begin + first, begin + end)
        track.append(offsets.start, offsets.stop, offsets, [0] * len(offsets), values[first:end])
        first = end
