"""A recording repeated: what its live run gave, without a broker.

The cuts of each source partition are made anew of its records, by the fold of the live ingest; the
order in which the forecaster takes them, and what the wall clock decided, is what the recorded cuts
topic says. Each cut must equal the recorded one, so a replay that ends without an error has counted
what the live run has counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tidecast.models.fold import Closed, ForecastFold, Given
from tidecast.state.cells import Cell
from tidecast.state.cuts import BinSums, Cut, Idle, InputMessage
from tidecast.state.errors import LogError
from tidecast.state.inputs import rank
from tidecast.state.partition import Batch, Outcome, Partition
from tidecast.state.settings import Settings
from tidecast.streams.forecast import ForecastOutput
from tidecast.streams.recording.folder import Recording
from tidecast.streams.recording.track import Records, Track
from tidecast.streams.replay import Counts
from tidecast.streams.source_fold import SourceFold
from tidecast.streams.wire import encode_rejected, parse_input

__all__ = ["Recorded"]

Key = tuple[str, int]
Sent = tuple[str, bytes | None, bytes]
"""Topic, key and value of a record that the live workers sent."""

STEP_RECORDS = 16_384
OTHER = (
    "the recording cannot be repeated: at offset {offset} of the cuts topic stands {what}, which "
    "the recorded records of {name} do not give: some were deleted before they were recorded, or "
    "before the worker read them, or the topic was made anew"
)


class RecordedPartition:
    """A source partition, folded as far as it is asked for.

    ``cuts`` are those made so far that no recorded message has asked for, by their rank.
    """

    def __init__(self, source: SourceFold, number: int, track: Track) -> None:
        self.source = source
        self.state: Partition = source.partition(number)
        self.newest = (-1, -1)
        self.cuts: dict[tuple[int, int], Cut] = {}
        self._pieces = track.read()
        self._piece: Records | None = None
        self._at = 0  # in the piece

    @property
    def name(self) -> str:
        """How messages name it."""
        return f"{self.source.source.name}/{self.state.partition}"

    def fold_to(self, end: int | None = None) -> Iterator[tuple[int, Outcome]]:
        """Fold the records before offset ``end``; yield (how many, what).

        None stands for all that is left, of which nobody will ask for a cut.
        """
        while (batch := self._next(end)) is not None:
            outcome = self.source.step(self.state, batch)
            if end is not None:
                self.cuts |= {rank(cut): cut for cut in outcome.cuts}
            yield len(batch.records), outcome

    def take(self, cut: Cut) -> Cut | None:
        """Return the cut of the rank of ``cut``, and forget those before it."""
        found = self.cuts.get(rank(cut))
        self.cuts = {place: each for place, each in self.cuts.items() if place > rank(cut)}
        return found

    def idle(self, upto: int) -> Idle:
        """Return the decision that it is idle, read up to offset ``upto``.

        The offsets between its last record and ``upto`` hold nothing that ever was a record.
        """
        self.state.next_offset = max(self.state.next_offset, upto)
        return self.state.idle()

    def _next(self, end: int | None) -> Batch | None:
        while self._piece is None or self._at == len(self._piece.values):
            self._piece, self._at = next(self._pieces, None), 0
            if self._piece is None:
                return None
        offsets, values = self._piece.offsets, self._piece.values
        stop = len(values) if end is None else int(np.searchsorted(offsets, end))
        taken = slice(self._at, min(stop, self._at + STEP_RECORDS))
        if taken.start >= taken.stop:
            return None
        self._at = taken.stop
        return Batch(offsets[taken], values[taken])


class Recorded:
    """Repeats the recording in ``folder``; ``fold`` and ``counts`` are where it has come to.

    Use one of its iterators, once.

    Raises
    ------
    CheckpointError
        When what the live forecaster began with is damaged.
    LogError
        When there is no recording, or one made under other settings.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.recording = Recording(folder)
        self.recording.refuse_settings(settings.fingerprint())
        self.counts = Counts()
        self.fold = ForecastFold(settings, refits_are_decided=True)
        if (learnt := self.recording.warm_up) is not None:
            self.fold.restore(learnt)
        self._settings = settings
        self._sources = {source.name: SourceFold(settings, source) for source in settings.sources}
        self._tracks = {key: self.recording.events(*key) for key in self.recording.partitions()}
        self._cuts = self.recording.cuts
        self._partitions: dict[Key, RecordedPartition] = {}
        self._rejected: list[Sent] | None = None  # where nobody wants to know
        self._output = ForecastOutput(settings)

    @property
    def readers(self) -> Sequence[Track]:
        """What is read, to show how far."""
        return [*self._tracks.values(), self._cuts]

    def closed(self) -> Iterator[Closed]:
        """Yield what every closed bin gives."""
        yield from (closed for closed in self.outputs() if isinstance(closed, Closed))

    def outputs(self) -> Iterator[Given]:
        """Yield what every closed bin gives, and what came too late for its slab."""
        for _, message in self._messages():
            yield from self.fold.step(message)

    def records(self) -> Iterator[Sent]:
        """Yield every record that the live workers sent beside cuts and checkpoints."""
        told: int | None = None
        self._rejected = []
        for offset, message in self._messages():
            for given in self.fold.step(message):
                yield from self._output.records(given)
            if self.fold.next_bin not in (None, told):
                told = self.fold.next_bin
                yield self._output.progress(0, told or 0, offset + 1)
            yield from self._pop_rejected()
        yield from self._pop_rejected()

    def _messages(self) -> Iterator[tuple[int, InputMessage]]:
        """Yield (offset, message) of the cuts topic, cuts made anew; re-sent ones are left out.

        At the end what no cut has asked for is folded as well, to be counted.
        """
        fingerprint = self._settings.fingerprint()
        for records in self._cuts.read():
            for offset, value in zip(records.offsets.tolist(), records.values, strict=True):
                message = parse_input(value or b"", fingerprint)
                if isinstance(message, Cut | Idle):
                    yield from ((offset, made) for made in self._made_anew(offset, message))
                else:
                    yield offset, message
        for key in self._tracks:
            self._fold(self._partition(*key))

    def _made_anew(self, offset: int, message: Cut | Idle) -> Iterator[Cut | Idle]:
        """Yield what the fold of the partition gives in place of ``message``, if it counts.

        Raises
        ------
        LogError
            When it gives something else.
        """
        partition = self._partition(message.source, message.partition)
        if rank(message) <= partition.newest:
            return
        made: Cut | Idle | None
        if isinstance(message, Idle):
            self._fold(partition, message.upto)
            made = partition.idle(message.upto)
        else:
            self._fold(partition, message.upto + 1)
            made = partition.take(message)
        if made is None or not _is_same(made, message):
            raise LogError(OTHER.format(offset=offset, what=_told(message), name=partition.name))
        partition.newest = rank(message)
        yield made

    def _fold(self, partition: RecordedPartition, end: int | None = None) -> None:
        for count, outcome in partition.fold_to(end):
            self.counts.events += count
            self.counts.add(outcome)
            if self._rejected is not None:
                self._rejected += self._letters(partition, outcome)

    def _letters(self, partition: RecordedPartition, outcome: Outcome) -> Iterator[Sent]:
        source, topics = partition.source.source, self._output.topics
        for those, topic in ((outcome.refused, topics.dead_letters), (outcome.late, topics.late)):
            for rejected in those:
                number = partition.state.partition
                yield topic, None, encode_rejected(rejected, source.name, source.topic, number)

    def _pop_rejected(self) -> list[Sent]:
        rejected, self._rejected = self._rejected, []
        return rejected or []

    def _partition(self, source: str, number: int) -> RecordedPartition:
        key = (source, number)
        if key not in self._partitions:
            track = self._tracks.get(key) or self.recording.events(source, number)
            self._partitions[key] = RecordedPartition(self._sources[source], number, track)
        return self._partitions[key]


def _is_same(made: Cut | Idle, recorded: Cut | Idle) -> bool:
    """Tell whether two messages say the same, in whatever order they name their cells."""
    return (
        replace(made, bins=()) == replace(recorded, bins=())
        and [sums.bin for sums in made.bins] == [sums.bin for sums in recorded.bins]
        and all(map(_is_equal, made.bins, recorded.bins))
    )


def _is_equal(one: BinSums, other: BinSums) -> bool:
    return _by_cell(one) == _by_cell(other)


def _by_cell(sums: BinSums) -> dict[Cell, list[int]]:
    return dict(zip(sums.cells, sums.sums.T.tolist(), strict=True))


def _told(message: Cut | Idle) -> str:
    if isinstance(message, Idle):
        return f"that {message.source}/{message.partition} is idle at offset {message.upto}"
    return (
        f"a cut of {message.source}/{message.partition} at offset {message.upto} "
        f"(bins {message.since} to {message.boundary})"
    )
