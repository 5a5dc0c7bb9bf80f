"""What a recorder leaves behind can be repeated, whenever it ends."""

from __future__ import annotations

from pathlib import Path

import pytest
from recordings import begun
from shops import click, shop

from tidecast.state.cuts import Cut, Idle, Join, PartitionList
from tidecast.state.errors import ContractError, LogError
from tidecast.streams.recording.folder import Recording
from tidecast.streams.recording.inbox import Inbox
from tidecast.streams.wire import encode_input

SHOP = shop()
KEY = ("events", 0)


class Fetched:
    """A record as aiokafka gives it."""

    timestamp = 0

    def __init__(self, offset: int, value: bytes | None) -> None:
        self.offset = offset
        self.value = value


def cut(upto: int, partition: int = 0) -> Cut:
    return Cut("events", partition, 5, 5, upto)


def note(inbox: Inbox, *messages: Cut | Idle | Join | PartitionList) -> None:
    first = inbox.cuts.position
    values = [encode_input(message, SHOP.fingerprint()) for message in messages]
    records = [Fetched(first + place, value) for place, value in enumerate(values)]
    inbox.note_cuts(records, first + len(records))


def read_up_to(inbox: Inbox, position: int) -> None:
    intake = inbox.events[KEY]
    records = [Fetched(offset, click()) for offset in range(intake.position, position)]
    intake.note(records, position)


def offsets(recording: Recording, key: tuple[str, int] | None = None) -> list[int]:
    track = recording.cuts if key is None else recording.events(*key)
    return [offset for part in track.read() for offset in part.offsets.tolist()]


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    return begun(tmp_path / "kept", SHOP)


@pytest.fixture
def inbox(recording: Recording) -> Inbox:
    inbox = Inbox(recording, 0)
    inbox.add(KEY, 0)
    return inbox


def test_cuts_wait_for_the_records_that_they_speak_of(recording: Recording, inbox: Inbox) -> None:
    note(inbox, PartitionList((KEY,)), cut(3), cut(6), Idle(*KEY, 8))
    inbox.write()
    assert offsets(recording) == [0]
    read_up_to(inbox, 6)
    inbox.write()
    assert offsets(recording) == [0, 1]
    read_up_to(inbox, 8)
    inbox.write()
    assert offsets(recording) == [0, 1, 2, 3]
    assert offsets(recording, KEY) == list(range(8))


def test_a_message_behind_one_that_waits_waits_too(recording: Recording, inbox: Inbox) -> None:
    note(inbox, cut(3), Join(*KEY))
    inbox.write()
    assert offsets(recording) == []


def test_a_recorder_that_begins_again_goes_on_where_the_last_ended(
    recording: Recording, inbox: Inbox
) -> None:
    read_up_to(inbox, 5)
    note(inbox, cut(3), cut(7))
    inbox.write()
    again = Inbox(Recording(recording.folder), 0)
    again.add(KEY, 2)  # older records were deleted meanwhile
    assert again.cuts.position == 1
    assert again.events[KEY].position == 5
    note(again, cut(7))
    read_up_to(again, 9)
    again.write()
    assert offsets(recording) == [0, 1]
    assert offsets(recording, KEY) == list(range(9))


def test_a_gap_left_by_a_transaction_is_no_missing_piece(
    recording: Recording, inbox: Inbox
) -> None:
    read_up_to(inbox, 5)
    inbox.events[KEY].note([], 6)  # a marker
    inbox.write()
    inbox.events[KEY].note([Fetched(8, b"after more of them")], 9)
    inbox.write()
    assert offsets(recording, KEY) == [0, 1, 2, 3, 4, 8]


def test_a_partition_that_nobody_has_added_is_told_of(recording: Recording, inbox: Inbox) -> None:
    note(inbox, cut(3, partition=1))
    assert inbox.unknown == {("events", 1)}
    inbox.write()
    assert offsets(recording) == []
    inbox.add(("events", 1), 0).note([Fetched(3, click())], 4)
    inbox.write()
    assert inbox.unknown == set()
    assert offsets(recording) == [0]


def test_records_read_by_workers_and_gone_since_are_named(recording: Recording) -> None:
    inbox = Inbox(recording, 0)
    inbox.add(KEY, 10)
    note(inbox, Idle(*KEY, 10))
    inbox.write()
    note(inbox, cut(9))
    with pytest.raises(LogError, match="events/0 begins at offset 10, but the workers have read"):
        inbox.write()


def test_a_cut_of_other_settings_is_refused(inbox: Inbox) -> None:
    with pytest.raises(ContractError, match="made under other settings"):
        inbox.note_cuts([Fetched(0, encode_input(cut(1), "other"))], 1)


def test_what_waits_in_memory_is_bounded(inbox: Inbox) -> None:
    assert not inbox.is_due(1.0)
    assert inbox.is_due(60.0)
    inbox.events[KEY].note([Fetched(0, bytes(8 << 20))], 1)
    assert inbox.is_due(0.0)
    inbox.write()
    assert not inbox.is_due(0.0)
