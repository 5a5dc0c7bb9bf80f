"""Migration of states: the checkpoints of workers, from old settings to new ones. No broker."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tidecast.state.bins import BinGrid
from tidecast.state.cells import CellIndex
from tidecast.state.changes import Change
from tidecast.state.checkpoint import pack, unpack
from tidecast.state.events import Events
from tidecast.state.migrate import ReadAgain, first_whole_bin, migrated_partition
from tidecast.state.settings import Settings
from tidecast.streams.decode import Decoder
from tidecast.streams.ingest import TOPIC_ID
from tidecast.streams.source_fold import SourceFold

__all__ = ["Origin", "begun_anew", "migrated_source", "reader_of", "whole_from"]


def migrated_source(change: Change, source: str, data: bytes) -> bytes:
    """Return the state of a source partition's ingest under the new settings."""
    values, arrays = unpack(data)
    read_again = reader_of(change.new, source)
    return pack(values, migrated_partition(change, source, arrays, read_again))


@dataclass(frozen=True)
class Origin:
    """A source partition by now: the id of its topic, and where it ends."""

    topic_id: str | None
    end: int


def begun_anew(settings: Settings, place: tuple[str, int], data: bytes, origin: Origin) -> bytes:
    """Return the state of a source partition's ingest that goes on in a topic made anew.

    In the same topic, whose last records were lost, it goes on at its end; where nothing was lost
    either, the state stays as it is.
    """
    values, arrays = unpack(data)
    source = next(each for each in settings.sources if each.name == place[0])
    state = SourceFold(settings, source).partition(place[1])
    state.restore(values, arrays)
    if values[TOPIC_ID] != origin.topic_id:
        state.begin_anew()
    elif (lost := state.next_offset - origin.end) > 0:
        state.base, state.next_offset = state.base + lost, origin.end
    saved, arrays = state.snapshot()
    return pack(saved | {TOPIC_ID: origin.topic_id}, arrays)


def whole_from(change: Change, states: Iterable[tuple[str, bytes]]) -> dict[str, int]:
    """Return the first bin that no partition of each source has read an event of.

    ``states`` are (source, state of a partition's ingest).
    """
    grid = BinGrid(change.old.bins.width, change.old.shop.time_zone)
    found: dict[str, int] = {}
    for source, data in states:
        values, _ = unpack(data)
        found[source] = max(found.get(source, 0), first_whole_bin(grid, values))
    return found


def reader_of(settings: Settings, source: str) -> ReadAgain:
    """Return what reads records of ``source`` whose cells are known elsewhere."""
    rules = next(each for each in settings.sources if each.name == source)
    decoder = Decoder(settings, rules)

    def read(records: Sequence[bytes]) -> Events:
        return decoder.decode(records, CellIndex(len(records)))[0]

    return read
