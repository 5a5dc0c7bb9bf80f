"""Checkpoints as records: the right one or none, whatever is cut, changed, mixed or stale."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable, Sequence

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidecast.state.checkpoint import pack, unpack
from tidecast.state.errors import CheckpointError
from tidecast.streams import shelf as shelf_module
from tidecast.streams.shelf import UNFINISHED, Checkpoint, Kept, Shelf, to_records

Record = tuple[bytes, bytes]
OWNER = "forecast/0"
OURS = "settings"
EARLIER = Checkpoint(5, pack({"n": 5}, {"sums": np.arange(5)}))
LATER = Checkpoint(6, pack({"n": 6}, {"sums": np.arange(6)}))


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf_module, "CHUNK_BYTES", 50)


def written(checkpoint: Checkpoint, owner: str = OWNER, settings: str = OURS) -> list[Record]:
    return to_records(owner, settings, checkpoint)


def noted(*writes: Iterable[Record], owner: str = OWNER) -> Shelf:
    shelf = Shelf(owner)
    for offset, (key, value) in enumerate(record for write in writes for record in write):
        shelf.note(offset, key, value)
    return shelf


def best(*writes: Iterable[Record]) -> Checkpoint | None:
    return noted(*writes).best(OURS)


def manifest_with(record: Record, **changes: object) -> Record:
    return record[0], orjson.dumps(orjson.loads(record[1]) | changes)


def test_what_was_written_is_found() -> None:
    assert len(written(LATER)) > 3
    assert best(written(LATER)) == LATER
    assert best(written(Checkpoint(3, b""))) == Checkpoint(3, b"")
    assert best() is None


def test_cut_at_any_byte_the_one_before_is_found() -> None:
    before, last = written(EARLIER), written(LATER)
    for cut, (key, value) in enumerate(last):
        for length in range(len(key)):
            assert best(before, last[:cut], [(key[:length], value)], last[cut + 1 :]) == EARLIER
        for length in range(len(value)):
            assert best(before, last[:cut], [(key, value[:length])]) == EARLIER
            assert best(before, last[:cut], [(key, value[:length])], last[cut + 1 :]) == EARLIER
        assert best(before, last[:cut]) == EARLIER


@pytest.mark.parametrize("change", [0x01, 0x02, 0x10, 0x20, 0x80, 0xFF])
def test_with_any_byte_changed_the_one_before_is_found(change: int) -> None:
    before, last = written(EARLIER), written(LATER)
    for place, (key, value) in enumerate(last):
        for at in range(len(key) + len(value)):
            whole = bytearray(key + value)
            whole[at] ^= change
            damaged = (bytes(whole[: len(key)]), bytes(whole[len(key) :]))
            assert best(before, last[:place], [damaged], last[place + 1 :]) == EARLIER


def test_every_value_of_every_byte_of_a_manifest_is_refused() -> None:
    before, (*chunks, (key, value)) = written(EARLIER), written(LATER)
    shelf = noted(before, chunks)
    for at in range(len(value)):
        for byte in set(range(256)) - {value[at]}:
            shelf.note(99, key, value[:at] + bytes([byte]) + value[at + 1 :])
    assert shelf.best(OURS) == EARLIER
    shelf.note(100, key, value)
    assert shelf.best(OURS) == LATER


@pytest.mark.parametrize("change", [0x01, 0x80, 0xFF])
def test_a_state_with_any_byte_changed_or_cut_is_refused(change: int) -> None:
    for at in range(len(LATER.data)):
        damaged = bytearray(LATER.data)
        damaged[at] ^= change
        for data in (bytes(damaged), LATER.data[:at]):
            try:
                values, arrays = unpack(data)
            except CheckpointError:
                continue
            assert pack(values, arrays) == LATER.data


def test_all_damaged_is_an_error_and_not_a_fresh_start() -> None:
    *chunks, manifest = written(LATER)
    with pytest.raises(CheckpointError, match="every checkpoint of forecast/0 is damaged"):
        best(chunks[1:], [manifest])


def test_a_first_checkpoint_without_its_manifest_is_none() -> None:
    assert best(written(LATER)[:-1]) is None


def test_the_largest_position_counts_and_of_equals_the_later() -> None:
    other = Checkpoint(6, b"x" * 250)
    assert best(written(LATER), written(EARLIER)) == LATER
    assert best(written(LATER), written(other)) == other
    assert best(written(other), written(LATER), written(EARLIER)) == LATER


@given(st.randoms(use_true_random=False))
def test_chunks_of_two_writers_mix_in_any_order(order: random.Random) -> None:
    twin = Checkpoint(6, bytes(reversed(LATER.data)))
    writes = [written(EARLIER), written(LATER), written(twin), written(LATER)]
    mixed: list[Record] = []
    last: Checkpoint | None = None
    while waiting := [number for number, write in enumerate(writes) if write]:
        number = order.choice(waiting)
        mixed.append(writes[number].pop(0))
        if not writes[number] and number:
            last = twin if number == 2 else LATER
    found = best(mixed)
    assert found in (twin, LATER)
    assert last is not None
    assert found == last or (last == LATER and found == twin)  # a twin's chunks were taken already


def test_a_twin_that_is_completed_twice_is_no_damage(caplog: pytest.LogCaptureFixture) -> None:
    *chunks, manifest = written(LATER)
    with caplog.at_level(logging.WARNING):
        assert best(chunks, [manifest, chunks[-1], manifest]) == LATER
    assert caplog.text == ""


def test_other_owners_of_the_partition_do_not_matter() -> None:
    for other in ("forecast/01", "forecast/", "forecast", "ingest/forecast/0", "forecast/0/1"):
        theirs = written(Checkpoint(99, b"x" * 300), owner=other)
        assert best(written(EARLIER), theirs) == EARLIER
        relabelled = (OWNER.encode(), theirs[-1][1])
        assert best(written(EARLIER), theirs[:-1], [relabelled]) == EARLIER


def test_other_settings_are_refused_only_where_they_are_the_best() -> None:
    theirs = written(LATER, settings="theirs")
    with pytest.raises(CheckpointError, match=r"theirs, now settings.*tidecast migrate"):
        best(written(EARLIER), theirs)
    migrated = Checkpoint(6, b"carried over")
    assert best(theirs, written(migrated)) == migrated
    assert best(theirs, written(LATER)) == LATER


def test_the_manifest_of_another_version_is_refused_where_it_may_be_the_best() -> None:
    *chunks, manifest = written(LATER)
    said = orjson.loads(manifest[1])
    del said["seal"]
    old = (manifest[0], orjson.dumps(said | {"schema_version": 1}))
    with pytest.raises(CheckpointError, match=r"manifest version 1, this one reads 2"):
        best(written(EARLIER), chunks, [old])
    assert best(chunks, [old], written(LATER)) == LATER
    assert best(written(Checkpoint(7, b"newer")), chunks, [old]) == Checkpoint(7, b"newer")
    with pytest.raises(CheckpointError, match="manifest version 1"):
        best(chunks, [old], written(EARLIER))
    newer = said | {"schema_version": 3, "more": "than we know"}
    sealed = (manifest[0], orjson.dumps(newer | {"seal": shelf_module._seal(newer)}))
    with pytest.raises(CheckpointError, match="manifest version 3"):
        best(written(EARLIER), chunks, [sealed])


def test_a_manifest_that_says_more_than_we_know_is_read() -> None:
    *chunks, manifest = written(LATER)
    said = orjson.loads(manifest[1]) | {"more": 1}
    del said["seal"]
    said["seal"] = shelf_module._seal(said)
    assert best(chunks, [(manifest[0], orjson.dumps(said))]) == LATER


def test_memory_holds_the_best_and_few_unfinished_ones() -> None:
    torn = [written(Checkpoint(9, bytes([n]) * 1_000))[:-1] for n in range(50)]
    old = [written(Checkpoint(n, bytes([n]) * 1_000)) for n in range(9)]
    shelf = noted(*old, *torn)
    assert len(shelf._unfinished) == UNFINISHED
    for offset, record in enumerate(written(Checkpoint(10, b"whole")), 10_000):
        shelf.note(offset, *record)
    assert not shelf._unfinished


def starts(writes: Sequence[list[Record]]) -> list[int]:
    return [sum(map(len, writes[:number])) for number in range(len(writes))]


def test_what_lies_before_the_best_two_may_go() -> None:
    writes = [written(Checkpoint(n, bytes([n]) * 250)) for n in (1, 2, 3)]
    assert noted(writes[0]).spare() is None
    assert noted(*writes).spare() == starts(writes)[1]


def test_stale_checkpoints_at_newer_offsets_do_not_let_better_ones_go() -> None:
    writes = [written(Checkpoint(n, bytes([n]) * 250)) for n in (1, 8, 9, 2, 3, 4)]
    shelf = noted(*writes)
    assert shelf.spare() == starts(writes)[1]
    shelf.add(Kept(5, 1_001, 1_000))
    shelf.add(Kept(6, 1_003, 1_002))
    assert shelf.spare() == starts(writes)[1]
    shelf.add(Kept(10, 1_005, 1_004))
    assert shelf.spare() == starts(writes)[2]
    assert shelf.end == 1_006


def test_of_a_better_one_written_before_the_second_best_both_stay() -> None:
    writes = [written(Checkpoint(n, bytes([n]) * 250)) for n in (1, 9, 2)]
    shelf = noted(writes[0], writes[1])
    shelf.add(Kept(8, 1_001, 1_000))
    assert shelf.spare() == starts(writes)[1]


def test_damaged_ones_are_not_counted_among_those_that_stay() -> None:
    one, two = (written(Checkpoint(n, bytes([n]) * 250)) for n in (1, 2))
    torn = written(LATER)[1:]
    assert noted(one, torn, two).spare() == 0
