"""A source partition whose topic was made anew, and slabs that miss one."""

from __future__ import annotations

import numpy as np
import pytest
from partitions import SECOND, START
from shops import click, shop
from slabs import PLACES, SETTINGS, new_fold

from tidecast.state.bins import iso
from tidecast.state.changes import Change
from tidecast.state.checkpoint import pack, unpack
from tidecast.state.cuts import PartitionList
from tidecast.state.migrate import migrated_slabs
from tidecast.state.partition import Batch, Partition
from tidecast.streams.ingest import TOPIC_ID
from tidecast.streams.migration import Origin, begun_anew
from tidecast.streams.source_fold import SourceFold

SHOP = shop(max_disorder="10s")


def read_six() -> tuple[Partition, bytes]:
    """Return a partition that has read offsets 0 to 5 of topic "old", and its state as bytes."""
    source = SourceFold(SHOP, SHOP.sources[0])
    state = source.partition(0)
    records = [click(event_time=iso(START + second * SECOND)) for second in range(6)]
    source.step(state, Batch(np.arange(6), records))
    values, arrays = state.snapshot()
    return state, pack(values | {TOPIC_ID: "old"}, arrays)


@pytest.mark.parametrize(
    ("origin", "base", "next_offset"),
    [
        (Origin("new", 2), 6, 0),  # made anew
        (Origin("new", 9), 6, 0),
        (Origin("old", 4), 2, 4),  # lost its last records
        (Origin("old", 6), 0, 6),  # as it was
        (Origin("old", 9), 0, 6),
    ],
)
def test_reading_goes_on_where_the_topic_is_by_now(
    origin: Origin, base: int, next_offset: int
) -> None:
    state, data = read_six()
    values, arrays = unpack(begun_anew(SHOP, ("events", 0), data, origin))
    before, _ = state.snapshot()
    assert (values["base"], values["next_offset"]) == (base, next_offset)
    assert values[TOPIC_ID] == origin.topic_id
    assert {k: v for k, v in values.items() if k in ("high", "through", "since")} == {
        k: before[k] for k in ("high", "through", "since")
    }
    assert arrays.keys() == state.snapshot()[1].keys()


def test_saying_it_twice_changes_nothing_more() -> None:
    _, data = read_six()
    once = begun_anew(SHOP, ("events", 0), data, Origin("new", 2))
    assert begun_anew(SHOP, ("events", 0), once, Origin("new", 2)) == once


def test_partitions_that_are_gone_hold_nobody_back() -> None:
    slabs = new_fold()
    slabs.step(PartitionList(PLACES))
    change = Change.between(SETTINGS, SETTINGS)
    moved = migrated_slabs(change, slabs, {}, counts={"clicks": 1})
    inputs = moved.inputs or {}
    waiting = [key for key, place in inputs.items() if place.through is None]
    assert waiting == [("clicks", 0), ("orders", 0)]
