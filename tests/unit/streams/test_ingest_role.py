"""What an ingest worker decides and keeps, without a broker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pytest
from faust.types import TP
from partitions import START, sums_of
from shops import click, shop

from tidecast.state.bins import iso
from tidecast.state.cuts import Cut, Idle, Join
from tidecast.state.errors import CheckpointError
from tidecast.state.partition import Batch
from tidecast.streams.checkpoints import Checkpoint, CheckpointLog, Owner
from tidecast.streams.extent import Extent
from tidecast.streams.ingest import IngestRole
from tidecast.streams.wire import parse_input

PLACE = TP("events", 0)
SETTINGS = shop(
    max_disorder="10s",
    allowed_lateness="30m",
    idle_timeout="60s",
    max_gap="1d",
    limits={"max_ahead": 2},
)
AGES = 1_000  # steps of a second, awake


class Shelf:
    """Stands for the broker's topics: keeps what is sent, and checkpoints in memory."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sent: list[tuple[str, bytes]] = []
        self.calls: list[str] = []
        self.kept: dict[Owner, Checkpoint] = {}
        monkeypatch.setattr(CheckpointLog, "read", self._read)
        monkeypatch.setattr(CheckpointLog, "write", self._write)

    async def send(self, topic: str, value: bytes, **_: Any) -> None:
        self.calls.append("send")
        self.sent.append((topic, value))

    async def delivered(self) -> None:
        self.calls.append("delivered")

    async def _read(self, owners: list[Owner]) -> dict[Owner, Checkpoint]:
        return {owner: self.kept[owner] for owner in owners if owner in self.kept}

    async def _write(self, sender: Any, owner: Owner, checkpoint: Checkpoint) -> None:
        self.calls.append("checkpoint")
        self.kept[owner] = checkpoint

    def messages(self) -> list[Any]:
        """Return the cuts and decisions sent, but for those to wait for a partition."""
        return [message for message in self.inputs() if not isinstance(message, Join)]

    def inputs(self) -> list[Any]:
        return [parse_input(v, SETTINGS.fingerprint()) for t, v in self.sent if t.endswith("cuts")]

    def letters(self) -> list[tuple[int, str, str | None]]:
        """Return the (offset, reason, value) of the dead letters."""
        found = [json.loads(v) for t, v in self.sent if t.endswith("dead-letters")]
        return [(letter["offset"], letter["reason"], letter["value"]) for letter in found]


class Source:
    """Stands for the source topic, its consumer, and the clock."""

    def __init__(self) -> None:
        self.id: str | None = "the first"
        self.extent = Extent(0, 1_000)
        self.committed_at: int | None = None
        self.end: int | None = None
        self.progress: int | None = None
        self.held: set[TP] = set()
        self.asked = 0
        self.now = 0.0

    async def identities(self, topics: Iterable[str]) -> dict[str, str | None]:
        return dict.fromkeys(topics, self.id)

    async def extents(self, places: Sequence[TP]) -> dict[TP, Extent]:
        return dict.fromkeys(places, self.extent)

    async def committed(self, place: TP) -> int | None:
        return self.committed_at

    async def reach(self, places: Sequence[TP]) -> dict[TP, int]:
        self.asked += 1
        return {} if self.end is None else dict.fromkeys(places, self.end)

    async def hold(self, places: Sequence[TP]) -> None:
        self.held |= set(places)

    async def release(self, places: Sequence[TP]) -> None:
        self.held -= set(places)

    async def room_for(self, checkpoints: int) -> None:
        pass

    async def next_bin(self) -> int | None:
        return self.progress

    def clock(self) -> float:
        return self.now


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Shelf:
    return Shelf(monkeypatch)


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Source:
    monkeypatch.setattr("tidecast.streams.extent.SETTLE_SECONDS", 0)
    return Source()


def records(*seconds: float) -> list[bytes]:
    return [click(event_time=iso(START + int(second * 1e6))) for second in seconds]


async def take(role: IngestRole, raw: Sequence[bytes], first: int) -> None:
    async for _ in role.take(PLACE, Batch(np.arange(first, first + len(raw)), raw)):
        pass


async def pass_time(role: IngestRole, source: Source, seconds: int, step: int = 1) -> None:
    """Let the role look every ``step`` seconds."""
    for _ in range(0, seconds, step):
        source.now += step
        await role.idle()


def running(
    work: Callable[[IngestRole], Awaitable[None]], shelf: Shelf, source: Source
) -> dict[TP, int]:
    """Do ``work`` with a role that was given PLACE; return where it read on."""

    async def whole() -> dict[TP, int]:
        role = IngestRole(SETTINGS, shelf, source, source.clock)  # type: ignore[arg-type]
        positions = await role.open([PLACE])
        await work(role)
        return positions

    return asyncio.run(whole())


WARM = records(0, 0, 0, 0, 0, 0)
HOUR = 3_600
BEGIN = START // (HOUR * 1_000_000)  # the bin of WARM


def test_a_silent_partition_read_to_its_end_is_idle_once_with_what_it_has_open(
    shelf: Shelf, source: Source
) -> None:
    async def work(role: IngestRole) -> None:
        await take(role, [*WARM, *hours(1)], 0)
        source.end = 7
        await pass_time(role, source, 200)

    running(work, shelf, source)
    cut, idle = shelf.messages()
    assert isinstance(cut, Cut)
    assert isinstance(idle, Idle)
    assert idle.upto == 7
    assert [sums_of(part)["north"][0] for part in idle.bins] == [6, 1]
    assert source.asked == 1


def test_a_partition_without_any_event_becomes_idle_as_well(shelf: Shelf, source: Source) -> None:
    source.extent, source.end = Extent(0, 0), 0
    running(lambda role: pass_time(role, source, 61), shelf, source)
    (idle,) = shelf.messages()
    assert (idle.upto, idle.bins) == (0, ())


@pytest.mark.parametrize("end", [None, 7])
def test_a_partition_whose_end_is_unknown_or_unread_is_not_idle(
    shelf: Shelf, source: Source, end: int | None
) -> None:
    async def work(role: IngestRole) -> None:
        await take(role, WARM, 0)
        source.end = end
        await pass_time(role, source, AGES)

    running(work, shelf, source)
    assert shelf.messages() == []


def test_the_end_is_asked_only_of_partitions_that_were_silent_long_enough(
    shelf: Shelf, source: Source
) -> None:
    running(lambda role: pass_time(role, source, 60), shelf, source)
    assert source.asked == 0


def test_time_in_which_the_worker_slept_is_no_silence_of_the_source(
    shelf: Shelf, source: Source
) -> None:
    async def work(role: IngestRole) -> None:
        await take(role, WARM, 0)
        source.end = 6
        source.now += 10_000
        await role.idle()

    running(work, shelf, source)
    assert shelf.messages() == []


def test_slabs_are_told_to_wait_for_a_partition_that_nothing_was_read_of(
    shelf: Shelf, source: Source
) -> None:
    async def work(role: IngestRole) -> None:
        assert shelf.inputs() == [Join("events", 0)]
        assert shelf.calls == ["send", "delivered"]
        await take(role, WARM, 0)
        await (await role.checkpoint())

    running(work, shelf, source)
    running(work_nothing, shelf, source)
    assert shelf.inputs() == [Join("events", 0)]


async def work_nothing(role: IngestRole) -> None:
    """Do nothing."""


def test_a_partition_whose_beginning_was_deleted_before_it_was_ever_read_loses_nothing(
    shelf: Shelf, source: Source
) -> None:
    source.extent = Extent(40, 1_000)
    assert running(work_nothing, shelf, source) == {PLACE: 40}
    assert shelf.letters() == []


async def fold_warm(role: IngestRole) -> None:
    """Fold WARM and write the checkpoint."""
    await take(role, WARM, 0)
    await (await role.checkpoint())


def test_what_was_deleted_below_the_checkpoint_is_a_dead_letter_that_names_the_range(
    shelf: Shelf, source: Source
) -> None:
    async def after(role: IngestRole) -> None:
        await take(role, records(5, 3_700), 10)
        assert await (await role.checkpoint()) == {PLACE: 12}

    running(fold_warm, shelf, source)
    source.extent = Extent(10, 1_000)
    assert running(after, shelf, source) == {PLACE: 10}
    ((offset, reason, value),) = shelf.letters()
    assert (offset, value) == (6, None)
    assert reason.startswith("lost: offsets 6 to 9 were deleted before they were read")
    (cut,) = shelf.messages()
    assert [sums_of(part)["north"][0] for part in cut.bins] == [7]


def test_what_is_deleted_while_running_is_a_dead_letter_but_markers_are_not(
    shelf: Shelf, source: Source
) -> None:
    async def work(role: IngestRole) -> None:
        await take(role, WARM, 0)
        await take(role, records(1), 7)  # 6 is the marker of a transaction
        source.extent = Extent(20, 1_000)
        await take(role, records(2), 21)  # 20 is one as well
        await take(role, records(3_700), 22)

    running(work, shelf, source)
    ((offset, reason, _),) = shelf.letters()
    assert offset == 8
    assert "offsets 8 to 19 " in reason
    (cut,) = shelf.messages()
    assert [sums_of(part)["north"][0] for part in cut.bins] == [8]


def test_a_topic_that_was_created_anew_is_refused_with_the_way_out(
    shelf: Shelf, source: Source
) -> None:
    running(fold_warm, shelf, source)
    source.id = "the second"
    with pytest.raises(CheckpointError, match=r"its id is the second, .* of the first: .*anew ev"):
        running(work_nothing, shelf, source)


def test_a_topic_that_is_created_anew_while_running_is_refused(
    shelf: Shelf, source: Source
) -> None:
    async def work(role: IngestRole) -> None:
        await take(role, WARM, 0)
        source.id = "the second"
        with pytest.raises(CheckpointError, match="created anew"):
            await take(role, WARM, 0)

    running(work, shelf, source)


def test_a_broker_without_topic_ids_refuses_no_topic(shelf: Shelf, source: Source) -> None:
    running(fold_warm, shelf, source)
    source.id = None
    running(work_nothing, shelf, source)


def test_a_partition_that_ends_before_its_checkpoint_is_refused(
    shelf: Shelf, source: Source
) -> None:
    running(fold_warm, shelf, source)
    source.extent = Extent(0, 5)
    with pytest.raises(CheckpointError, match="ends at offset 5, but was read up to 6"):
        running(work_nothing, shelf, source)


def test_a_committed_offset_without_a_checkpoint_is_refused_with_the_way_out(
    shelf: Shelf, source: Source
) -> None:
    source.committed_at = 6
    with pytest.raises(CheckpointError, match=r"up to offset 6 by group .* another kafka\.group"):
        running(work_nothing, shelf, source)


def hours(*numbers: int) -> list[bytes]:
    """Return a record of each hour, late enough to cut the hour before."""
    return records(*(HOUR * number + 60 for number in numbers))


def test_a_partition_more_than_max_ahead_bins_ahead_of_the_slabs_is_held_until_they_follow(
    shelf: Shelf, source: Source
) -> None:
    async def work(role: IngestRole) -> None:
        source.progress = BEGIN
        await take(role, [*WARM, *hours(1, 2, 3)], 0)  # cut through bin 2
        assert source.held == set()
        await take(role, hours(4), 9)
        assert source.held == {PLACE}
        await pass_time(role, source, 3)
        assert source.held == {PLACE}
        source.progress = BEGIN + 1
        await pass_time(role, source, 2)
        assert source.held == set()

    running(work, shelf, source)


def test_before_the_first_slab_a_partition_runs_ahead_of_its_own_first_bin_only(
    shelf: Shelf, source: Source
) -> None:
    async def work(role: IngestRole) -> None:
        await take(role, [*WARM, *hours(1, 2)], 0)
        assert source.held == set()
        await take(role, hours(3, 4), 8)
        assert source.held == {PLACE}

    running(work, shelf, source)


def test_a_gap_of_months_holds_nobody_once_the_slabs_have_passed_it(
    shelf: Shelf, source: Source
) -> None:
    async def work(role: IngestRole) -> None:
        source.progress = BEGIN
        await take(role, [*WARM, *hours(*[20] * 6, 21)], 0)
        assert source.held == {PLACE}
        source.progress = BEGIN + 21
        await pass_time(role, source, 2)
        assert source.held == set()

    running(work, shelf, source)


def test_a_held_partition_is_not_silent(shelf: Shelf, source: Source) -> None:
    async def work(role: IngestRole) -> None:
        await take(role, [*WARM, *hours(*range(1, 9))], 0)
        source.end = 14
        await pass_time(role, source, AGES)
        assert not any(isinstance(message, Idle) for message in shelf.messages())
        source.progress = BEGIN + 8
        await pass_time(role, source, 50)
        assert not any(isinstance(message, Idle) for message in shelf.messages())
        await pass_time(role, source, 20)

    running(work, shelf, source)
    assert isinstance(shelf.messages()[-1], Idle)


def test_a_new_owner_holds_a_partition_that_is_ahead_before_it_reads_more(
    shelf: Shelf, source: Source
) -> None:
    async def before(role: IngestRole) -> None:
        await take(role, [*WARM, *hours(*range(1, 9))], 0)
        await (await role.checkpoint())

    running(before, shelf, source)
    source.held, source.progress = set(), BEGIN
    running(work_nothing, shelf, source)
    assert source.held == {PLACE}


def test_outputs_are_delivered_before_the_checkpoint_is_written(
    shelf: Shelf, source: Source
) -> None:
    async def work(role: IngestRole) -> None:
        shelf.calls.clear()
        await take(role, [*WARM, *records(3_700)], 0)
        assert await (await role.checkpoint()) == {PLACE: 7}
        assert await (await role.checkpoint()) == {}

    running(work, shelf, source)
    assert shelf.calls == ["send", "delivered", "checkpoint", "delivered"]


def test_a_save_holds_what_was_folded_when_it_was_copied(shelf: Shelf, source: Source) -> None:
    async def before(role: IngestRole) -> None:
        await take(role, WARM, 0)
        save = await role.checkpoint()
        await take(role, records(3_600), 6)
        assert await save == {PLACE: 6}

    async def after(role: IngestRole) -> None:
        await take(role, records(3_700), 6)

    running(before, shelf, source)
    shelf.sent.clear()
    assert running(after, shelf, source) == {PLACE: 6}
    (cut,) = shelf.messages()
    assert [sums_of(part)["north"][0] for part in cut.bins] == [6]


def test_what_moves_during_a_save_is_in_the_next_one(shelf: Shelf, source: Source) -> None:
    async def work(role: IngestRole) -> None:
        await take(role, WARM, 0)
        save = await role.checkpoint()
        await take(role, records(1), 6)
        await save
        assert await (await role.checkpoint()) == {PLACE: 7}

    running(work, shelf, source)


def test_a_new_owner_goes_on_from_the_checkpoint_and_skips_what_was_folded(
    shelf: Shelf, source: Source
) -> None:
    async def after(role: IngestRole) -> None:
        await take(role, [*WARM, *records(5, 3_700)], 0)

    running(fold_warm, shelf, source)
    running(after, shelf, source)
    (cut,) = shelf.messages()
    assert isinstance(cut, Cut)
    assert cut.upto == 7
    assert [sums_of(part)["north"][0] for part in cut.bins] == [7]
