"""Inputs of the slabs: what is known of one source partition from its cuts and decisions."""

from __future__ import annotations

from dataclasses import dataclass, field

from tidecast.state.cuts import BinSums, Cut, Idle

__all__ = ["NEVER", "Input", "Share", "rank"]

NEVER = 2**62  # beyond every bin: this partition holds nobody back


Share = tuple[int, int, BinSums]
"""What a partition adds to a bin: (boundary, upto, sums); it counts from slab ``boundary`` on."""


@dataclass
class Input:
    """What is known of one source partition: pending versions, and how far it was cut.

    ``through`` is the bin up to which slabs need not wait for it, ``passed`` the last boundary
    that its own watermark passed: they differ while it is idle. ``told`` has, of bins that slabs
    do not take any more but that the partition may still change, the events told of so far.
    """

    columns: list[int]
    through: int | None = None
    first: int | None = None
    newest: tuple[int, int] = (-1, -1)  # the rank of the last message
    pending: list[Share] = field(default_factory=list)
    passed: int = -1
    told: dict[int, int] = field(default_factory=dict)

    def note(self, message: Cut | Idle) -> None:
        """Take in a message; one that is a stale writer's, or was read before, changes nothing."""
        if rank(message) <= self.newest:
            return
        self.newest = rank(message)
        was_cut = self.passed >= 0
        if isinstance(message, Idle):
            self.pending += [(sums.bin, message.upto, sums) for sums in message.bins]
            self.through = NEVER
            starts = [sums.bin for sums in message.bins]
        else:
            self.pending += [(message.boundary, message.upto, sums) for sums in message.bins]
            self.through = NEVER if message.ended else message.boundary
            self.passed = max(self.passed, message.boundary)
            starts = [message.since] if message.boundary >= message.since else []
            starts += [sums.bin for sums in message.bins]
        if self.first is None and starts:
            self.first = min(starts)
        elif self.first is not None and not was_cut:  # it was idle: its first cut may say more
            self.first = min([self.first, *starts])
        self.pending.sort(key=lambda share: share[:2])

    def take(self, bin_: int) -> list[Share]:
        """Return the versions that count from slab ``bin_`` on, and keep the others."""
        ready = [share for share in self.pending if share[0] <= bin_]
        self.pending = self.pending[len(ready) :]
        return ready


def rank(message: Cut | Idle) -> tuple[int, int]:
    """Return where a message stands among those of its partition.

    A partition is idle before it reads the record at ``upto``; that record's cuts follow in the
    order of their boundaries, and the one that ends the log is last.
    """
    if isinstance(message, Idle):
        return message.upto, -1
    return message.upto, NEVER if message.ended else message.boundary
