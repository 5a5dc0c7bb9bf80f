"""What became of a pipeline before: topics made anew, series added, settings changed.

Told by the workers' checkpoints and by the cuts. What cannot be known of it stands in doubts:
ranges of bins that a recount under the settings of now cannot judge, and why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from tidecast.state.checkpoint import unpack
from tidecast.state.settings import Settings
from tidecast.streams.checkpoints import CheckpointLog, Owner
from tidecast.streams.topics import partition_counts, topic_names

__all__ = ["Doubt", "Doubts", "Past", "read_past"]

Key = tuple[str, int]


@dataclass(frozen=True)
class Past:
    """What checkpoints tell of changes.

    ``bases`` has, by source partition, how many offsets there were before its topic was made anew;
    ``counted_from`` the first bin that holds all of a series that a migration added.
    """

    bases: Mapping[Key, int] = field(default_factory=dict)
    counted_from: Mapping[str, int] = field(default_factory=dict)

    def lacking(self, bin_: int) -> list[str]:
        """Return the series that were not counted yet in a bin."""
        return [name for name, first in self.counted_from.items() if bin_ < first]


@dataclass(frozen=True)
class Doubt:
    """Bins up to ``last`` that a recount cannot judge, or only if it agrees, and why."""

    last: int
    why: str


class Doubts:
    """The doubts of all source partitions, and how much differs for which."""

    def __init__(self) -> None:
        self._doubts: list[Doubt] = []
        self.cells: dict[Doubt, int] = {}
        self.bins: dict[Doubt, set[int]] = {}

    def add(self, last: int, why: str) -> None:
        """Note that bins up to ``last`` may be otherwise, for this reason."""
        self._doubts.append(Doubt(last, why))

    def about(self, bin_: int) -> Doubt | None:
        """Return the doubt there is about a bin, None where the recount must agree."""
        return next((doubt for doubt in self._doubts if bin_ <= doubt.last), None)

    def excuse(self, doubt: Doubt, bin_: int, cells: int) -> None:
        """Note values of a bin that differ and cannot be judged."""
        self.cells[doubt] = self.cells.get(doubt, 0) + cells
        self.bins.setdefault(doubt, set()).add(bin_)


def read_past(settings: Settings) -> Past:
    """Return what the checkpoints tell.

    Raises
    ------
    CheckpointError
        When they were made under other settings, or are damaged.
    ServiceError
        When there is no broker, or a topic is missing.
    """
    topic = topic_names(settings.kafka.topic_prefix).checkpoints
    counts = partition_counts(settings.kafka, [topic, *(each.topic for each in settings.sources)])
    owners = {
        (source.name, number): Owner.source(settings, source.name, number)
        for source in settings.sources
        for number in range(counts[source.topic])
    }
    owners = {key: owner for key, owner in owners.items() if owner.partition < counts[topic]}
    forecaster = Owner.shard(0)
    checkpoints = asyncio.run(CheckpointLog(settings).read([*owners.values(), forecaster]))
    found = {owner: unpack(checkpoint.data)[0] for owner, checkpoint in checkpoints.items()}
    bases = {key: found[owner]["base"] for key, owner in owners.items() if owner in found}
    added = found.get(forecaster, {}).get("counted_from", {})
    return Past({key: base for key, base in bases.items() if base}, added)
