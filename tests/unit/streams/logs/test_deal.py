"""Dealing records out to partitions."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner.default import murmur2

from tidecast.state.errors import LogError
from tidecast.state.settings import SourceSettings, StreamKind
from tidecast.streams.logs import Dealer
from tidecast.streams.logs.deal import key_partition

SOURCE = SourceSettings(
    name="orders", topic="orders", stream=StreamKind.ORDER, fields={"region": "place"}
)


def encoded(*values: object) -> list[bytes]:
    return [json.dumps(value).encode() for value in values]


def test_the_key_is_the_region_field_of_the_source() -> None:
    records = encoded({"place": "north"}, {"place": 7}, {"region": "south"})
    assert [key for key, _ in Dealer(SOURCE, 4).deal(records)] == [b"north", b"7", None]


def test_another_field_can_be_the_key() -> None:
    records = encoded({"place": "north", "user": "u1"})
    assert [key for key, _ in Dealer(SOURCE, 4, key="user").deal(records)] == [b"u1"]


def test_partitions_of_keys_are_those_of_kafkas_default_partitioner() -> None:
    # Known answers of org.apache.kafka.common.utils.Utils.murmur2, from Kafka's own tests.
    answers = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536}
    for key, answer in answers.items():
        assert key_partition(key, 1_000) == (answer & 0x7FFFFFFF) % 1_000
        assert murmur2(key) == answer & 0xFFFFFFFF


def test_records_without_a_key_take_turns_by_line() -> None:
    records = [b"not json", *encoded({}, {"place": None}, {"place": True}, {"place": 1.5}, [1])]
    assert [partition for _, partition in Dealer(SOURCE, 4).deal(records)] == [0, 1, 2, 3, 0, 1]


@given(
    names=st.lists(st.sampled_from(["north", "south", 5, None, "broken"]), max_size=40),
    cuts=st.lists(st.integers(0, 40), max_size=5),
)
def test_how_a_log_is_cut_into_chunks_changes_nothing(names: list[object], cuts: list[int]) -> None:
    records = [b"{" if name == "broken" else encoded({"place": name})[0] for name in names]
    ends = [*sorted(min(cut, len(records)) for cut in cuts), len(records)]
    whole, dealer = Dealer(SOURCE, 3), Dealer(SOURCE, 3)
    starts = [0, *ends[:-1]]
    in_chunks = [
        hand
        for start, end in zip(starts, ends, strict=True)
        for hand in dealer.deal(records[start:end])
    ]
    assert in_chunks == whole.deal(records)


def test_split_and_deal_agree_and_split_keeps_the_order() -> None:
    records = encoded(*({"place": f"p{n % 40}", "n": n} for n in range(200)), {"n": 200})
    hands = Dealer(SOURCE, 4).split(records)
    expected: list[list[bytes]] = [[] for _ in range(4)]
    for record, (_, partition) in zip(records, Dealer(SOURCE, 4).deal(records), strict=True):
        expected[partition].append(record)
    assert hands == expected
    assert all(expected)


def test_one_partition_takes_the_records_as_they_are() -> None:
    records = encoded({"place": "north"}, {"place": "south"})
    assert Dealer(SOURCE, 1).split(records)[0] is records


def partitions(dealer: Dealer, values: Iterable[object]) -> list[int]:
    return [partition for _, partition in dealer.deal(encoded(*values))]


def test_a_recorded_partition_is_kept() -> None:
    dealer = Dealer(SOURCE, 4, partition_field="p")
    assert partitions(dealer, [{"p": 3}, {"p": 0}, {"p": "x"}, {}]) == [3, 0, 2, 3]


def test_a_recorded_partition_that_does_not_exist_is_an_error() -> None:
    dealer = Dealer(SOURCE, 4, partition_field="p")
    with pytest.raises(LogError, match=r"record 2 of source orders names partition 4"):
        partitions(dealer, [{"p": 3}, {"p": 4}])
