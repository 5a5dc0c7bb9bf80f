"""The private hooks of Faust and aiokafka that the batch transport stands on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import aiokafka
import faust
import numpy as np
import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import GroupAuthorizationFailedError
from aiokafka.structs import ConsumerRecord
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from tidecast.streams import fast_records
from tidecast.streams.consumer_thread import MOST_REFUSALS, BatchThread
from tidecast.streams.fast_records import (
    WRITTEN_FOR,
    BoundedResult,
    RecordBatch,
    WholeBatches,
)
from tidecast.streams.transport import (
    BatchApp,
    BatchConsumer,
    BatchTransport,
    RawBatches,
    Unread,
    _join,
)

OVERRIDDEN = [
    (ours, name)
    for ours in (BatchThread, BatchConsumer, BatchTransport, BatchApp, RawBatches, WholeBatches)
    for name in vars(ours)
    if callable(vars(ours)[name]) and not name.startswith("__")
]
OWN = {
    (WholeBatches, "_wanted"),
    (WholeBatches, "_is_skipped"),
    *((BatchThread, name) for name in ("committed", "lost", "reach", "_reach", "pause", "_pause")),
    *((BatchThread, name) for name in ("go_to", "_go_to", "starting_point", "_starting_point")),
    *((BatchThread, name) for name in ("watch_partitions", "_watch_partitions")),
    *((BatchConsumer, name) for name in ("committed", "lost", "reach", "hold", "release")),
    *((BatchConsumer, name) for name in ("go_to", "starting_point", "watch_partitions")),
}
USED = [
    (driver.Consumer, ("_wait_next_records", "assignment", "commit", "perform_seek")),
    (driver.Consumer, ("earliest_offsets", "highwaters")),
    (driver.AIOKafkaConsumerThread, ("_fetch_records", "call_thread", "_ensure_consumer")),
    (driver.Producer, ("_ensure_producer",)),
    (GroupCoordinator, ("_send_req", "_handle_metadata_update", "_on_metadata_change")),
    (aiokafka.AIOKafkaProducer, ("partitions_for",)),
    (aiokafka.client.AIOKafkaClient, ("force_metadata_update",)),
    (fast_records.PLAIN_RESULT, ("getone", "getall", "has_more")),
    (fetcher.PartitionRecords, ("_consume_aborted_up_to", "_contains_abort_marker")),
    (ConsumerMessage, ("generation_id",)),
    (faust.App, ("consumer_generation_id", "crash", "on_rebalance_complete")),
]


@pytest.mark.parametrize(
    ("ours", "name"), [pair for pair in OVERRIDDEN if pair not in OWN], ids=lambda x: str(x)
)
def test_what_we_override_still_exists(ours: type, name: str) -> None:
    assert any(name in vars(base) for base in ours.__mro__[1:-1]), (
        f"{ours.__name__}.{name} overrides nothing any more: this version of Faust or aiokafka "
        "works otherwise, and the batch transport must be looked at before it is used"
    )


@pytest.mark.parametrize(("theirs", "names"), USED, ids=lambda x: getattr(x, "__name__", ""))
def test_what_we_use_still_exists(theirs: type, names: tuple[str, ...]) -> None:
    assert [name for name in names if not hasattr(theirs, name)] == []


def test_the_installed_versions_are_those_the_hooks_were_written_for() -> None:
    assert faust.__version__.startswith("0.15.")
    assert aiokafka.__version__.startswith(WRITTEN_FOR)


def record(offset: int) -> ConsumerRecord:
    value = None if offset == 5 else b"%d" % offset
    return ConsumerRecord("t", 0, offset, 0, 0, None, value, None, -1, 1, ())


def test_both_forms_of_a_fetch_become_the_same_batch() -> None:
    records = [record(offset) for offset in (3, 4, 5, 9, 11)]
    plain = _join(records)
    fast = _join([RecordBatch.of(records[:3]), RecordBatch.of(records[3:])])
    np.testing.assert_array_equal(plain.offsets, fast.offsets)
    assert plain.offsets.tolist() == [3, 4, 5, 9, 11]
    assert list(plain.records) == list(fast.records) == [b"3", b"4", None, b"9", b"11"]


class Unpacked(WholeBatches):
    """Batches of two records as they come out of a compressed fetch."""

    def __init__(self, count: int) -> None:
        self.next_fetch_offset = 0
        self._records_iterator = self._give(count)

    def _give(self, count: int) -> Iterator[RecordBatch]:
        for number in range(count):
            self.next_fetch_offset = 2 * number + 2
            yield RecordBatch.of([record(2 * number), record(2 * number + 1)])


class Assigned:
    """A partition of ours, and how far it was read."""

    active, paused, position = True, False, 0

    def state_value(self, _: Any) -> Assigned:
        return self

    def consumed_to(self, position: int) -> None:
        self.position = position


def test_what_a_fetch_brought_is_handed_over_in_bounded_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fast_records, "MOST_BYTES", 4)
    place = Assigned()
    fetched = BoundedResult(None, assignment=place, partition_records=Unpacked(5), backoff=0)
    parts = []
    while fetched.has_more():
        parts.append([offset for batch in fetched.getall() for offset in batch.offsets.tolist()])
        assert place.position == (parts[-1] or [9])[-1] + 1
    assert parts == [[0, 1, 2, 3], [4, 5, 6, 7, 8, 9], []]  # 5 is a tombstone of no bytes


class OfGroup:
    """As much of a consumer's thread as is asked for its group."""

    def __init__(self, coordinator: Any) -> None:
        self._consumer = SimpleNamespace(_coordinator=coordinator)
        self._refusals = 0
        self.thread_loop = asyncio.get_running_loop()

    def lost(self) -> BaseException | None:
        ours: Any = self
        return BatchThread.lost(ours)


def group_coordinator(routine: Any) -> GroupCoordinator:
    """Return a coordinator of aiokafka whose routine is another one."""
    coordinator = GroupCoordinator.__new__(GroupCoordinator)
    coordinator._coordination_task = asyncio.ensure_future(routine)
    coordinator._pending_exception = coordinator._error_consumed_fut = None
    coordinator._subscription = SimpleNamespace(abort_waiters=lambda error: None)
    coordinator._closing = asyncio.get_running_loop().create_future()
    return coordinator


def test_a_client_whose_coordination_has_died_is_lost() -> None:
    async def die() -> None:
        raise AssertionError("Did we not perform bootstrap?")

    async def whole() -> None:
        assert OfGroup(None).lost() is None  # not started yet
        thread = OfGroup(group_coordinator(die()))
        assert thread.lost() is None
        await asyncio.sleep(0)
        assert isinstance(thread.lost(), AssertionError)

    asyncio.run(whole())


def looks(refused: Sequence[bool]) -> list[BaseException | None]:
    """Return what look after look says while a group refuses, or does not; each is gone on from."""

    async def whole() -> list[BaseException | None]:
        stop, said = asyncio.Event(), []
        coordinator = group_coordinator(stop.wait())
        thread = OfGroup(coordinator)
        for is_refused in refused:
            error = GroupAuthorizationFailedError("clicks")
            work = coordinator._push_error_to_user(error) if is_refused else asyncio.sleep(0)
            waiting = asyncio.ensure_future(work)
            await asyncio.sleep(0)
            said.append(thread.lost())
            if said[-1] is None:
                async with asyncio.timeout(10):
                    await waiting
        coordinator._closing.set_result(None)
        stop.set()
        await coordinator._coordination_task
        return said

    return asyncio.run(whole())


def test_a_client_that_waits_for_its_error_to_be_read_goes_on() -> None:
    refused = [True] * MOST_REFUSALS
    assert set(looks([*refused, False, *refused])) == {None}


def test_a_client_that_is_refused_again_and_again_is_lost() -> None:
    *before, last = looks([True] * (MOST_REFUSALS + 1))
    assert set(before) == {None}
    assert isinstance(last, GroupAuthorizationFailedError)


class Thread(BatchThread):
    """The consumer's thread with as much of a consumer as a fetch and a seek need."""

    def __init__(self) -> None:
        self.consumer = SimpleNamespace(handed={})
        self.fetch: dict[TopicPartition, list[ConsumerRecord]] = {}
        self.sought: list[tuple[TopicPartition, int]] = []

    def _ensure_consumer(self) -> Any:
        return SimpleNamespace(
            assignment=lambda: {PLACE}, seek=lambda *place: self.sought.append(place)
        )


PLACE = TopicPartition("t", 0)


def test_a_fetch_tells_where_it_goes_on_from(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fetched(thread: Thread) -> Any:
        return thread.fetch

    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "_fetch_records", fetched)
    thread = Thread()

    def fetch(*offsets: int) -> list[int | None]:
        thread.fetch = {PLACE: [record(offset) for offset in offsets]}
        found = asyncio.run(thread._fetch_records())
        return [since for since, _ in found.values()]

    assert fetch(3, 4) == [None]
    assert fetch(5, 9) == [5]
    assert fetch() == []
    asyncio.run(thread._go_to({TP("t", 0): 4, TP("lost", 1): 0}))
    assert thread.sought == [(PLACE, 4)]
    assert fetch(4, 5) == [4]
    assert fetch(6, 7) == [6]


def test_faust_drops_no_message_by_its_offset() -> None:
    read = Unread()
    read[TP("t", 0)] = 7
    assert read[TP("t", 0)] is None


class Consumer(BatchConsumer):
    """The consumer with as much as handing over a fetch needs."""

    def __init__(self, fetched: dict[TopicPartition, Any]) -> None:
        self.app = SimpleNamespace(consumer_generation_id=1)
        self._fetched = fetched

    should_stop = False
    flow_active = True

    async def _wait_next_records(self, timeout: float) -> Any:
        return self._fetched, None


def test_what_was_handed_over_is_not_held_while_the_rest_waits() -> None:
    async def handed_over() -> None:
        fetched: dict[TopicPartition, Any] = {
            TopicPartition("t", number): (None, [record(number)]) for number in range(3)
        }
        found = []
        async for place, message in Consumer(fetched).getmany(1.0):
            found.append((place.partition, message.value.batch.offsets.tolist(), len(fetched)))
        assert found == [(0, [0], 2), (1, [1], 1), (2, [2], 0)]

    asyncio.run(handed_over())
