"""The private hooks of Faust and aiokafka that the batch transport stands on."""

from __future__ import annotations

import aiokafka
import faust
import numpy as np
import pytest
from aiokafka.consumer import fetcher
from aiokafka.structs import ConsumerRecord
from faust.transport.drivers import aiokafka as driver
from faust.types import ConsumerMessage

from tidecast.streams.fast_records import WRITTEN_FOR, RecordBatch, WholeBatches
from tidecast.streams.transport import (
    BatchApp,
    BatchConsumer,
    BatchThread,
    BatchTransport,
    RawBatches,
    _join,
)

OVERRIDDEN = [
    (ours, name)
    for ours in (BatchThread, BatchConsumer, BatchTransport, BatchApp, RawBatches, WholeBatches)
    for name in vars(ours)
    if callable(vars(ours)[name]) and not name.startswith("__")
]
OWN = {(WholeBatches, "_wanted"), (WholeBatches, "_is_skipped")}
USED = [
    (driver.Consumer, ("_wait_next_records", "highwater", "assignment", "commit", "perform_seek")),
    (driver.AIOKafkaConsumerThread, ("seek_wait",)),
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
