"""Slabs for the tests: settings of two sources, and folds over interleaved cuts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from partitions import Row, fold

from tidecast.state.checkpoint import pack, unpack
from tidecast.state.cuts import Cut, Idle, InputMessage, PartitionList
from tidecast.state.settings import Settings, parse_settings
from tidecast.state.slab_fold import SlabFold, SlabRules
from tidecast.state.slabs import Slab

TABLES: dict[str, Any] = {
    "bins": {"width": "1m"},
    "sources": [
        {"name": "clicks", "topic": "c", "stream": "click", "allowed_lateness": "3m"},
        {"name": "orders", "topic": "o", "stream": "order", "allowed_lateness": "3m"},
    ],
    "series": [
        {"name": "value", "stream": "click", "aggregate": "sum", "of": "value", "decimals": 0},
        {"name": "demand", "stream": "order", "aggregate": "sum", "of": "units", "decimals": 0},
    ],
    "forecast": {"horizon": 3},
}
SETTINGS = parse_settings(TABLES)
PLACES = (("clicks", 0), ("clicks", 1), ("orders", 0))
LISTED = PartitionList(PLACES)


def settings_with(**tables: Any) -> Settings:
    return parse_settings(TABLES | tables)


def cuts_of(rows: Sequence[Row], place: tuple[str, int], **changes: Any) -> list[Cut]:
    """Return the cuts of a log, its end included, as those of the partition ``place``."""
    source, number = place
    cuts = fold(rows, **changes).cuts
    return [replace(cut, source=source, partition=number) for cut in cuts]


def accepted(rows: Sequence[Row]) -> list[Row]:
    """Return the records of a log that are in its cuts."""
    outcome = fold(rows)
    out = {rejected.offset for rejected in (*outcome.late, *outcome.refused)}
    return [row for offset, row in enumerate(rows) if offset not in out]


def new_fold(settings: Settings = SETTINGS) -> SlabFold:
    return SlabFold(SlabRules.of(settings))


def reborn(fold_: SlabFold, settings: Settings = SETTINGS) -> SlabFold:
    """Return what is restored from a snapshot of the fold."""
    saved = new_fold(settings)
    saved.restore(*unpack(pack(*fold_.snapshot())))
    return saved


def slabs_of(messages: Iterable[InputMessage], fold_: SlabFold | None = None) -> list[Slab]:
    """Return the slabs that the messages give."""
    fold_ = fold_ or new_fold()
    return [made for m in messages for made in fold_.step(m) if isinstance(made, Slab)]


def plain_slab(slab: Slab) -> tuple[Any, ...]:
    return slab.bin, slab.revision, slab.events, slab.values.tolist()


def plain_slabs(messages: Iterable[InputMessage]) -> list[tuple[Any, ...]]:
    return [plain_slab(slab) for slab in slabs_of(messages)]


def interleaved(
    logs: Sequence[Sequence[Cut | Idle]], turns: Iterable[int], listed_at: int = 0
) -> list[InputMessage]:
    """Return all messages, each log's in order; ``turns`` says whose is next, then in turn."""
    waiting = [list(log) for log in logs]
    messages: list[InputMessage] = []
    for turn in turns:
        left = [log for log in waiting if log]
        if left:
            messages.append(left[turn % len(left)].pop(0))
    messages += [message for log in waiting for message in log]
    messages.insert(min(listed_at, len(messages)), LISTED)
    return messages
