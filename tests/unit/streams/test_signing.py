"""Signed checkpoints: nobody without the key can make or change one, and keys can be changed."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterable

import orjson
import pytest

from tidecast.state.errors import CheckpointError
from tidecast.state.settings import CheckpointsSettings
from tidecast.streams import shelf as shelf_module
from tidecast.streams.shelf import Checkpoint, Shelf, to_records
from tidecast.streams.signing import UNSIGNED, Signing

Record = tuple[bytes, bytes]
OWNER, OURS = "forecast/0", "settings"
EARLIER, LATER = Checkpoint(5, b"earlier" * 20), Checkpoint(6, b"later" * 20)
FORGED = Checkpoint(9, b"forged" * 20)
SECRET, FORMER, THEIRS = "canary-first-key-of-ours", "canary-key-before-it", "canary-somebody-elses"


def keyed(key: str, former: str | None = None) -> Signing:
    return Signing(CheckpointsSettings.model_validate({"key": key, "former_key": former}))


SIGNED = keyed(SECRET)


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf_module, "CHUNK_BYTES", 50)


def written(checkpoint: Checkpoint, signing: Signing = SIGNED) -> list[Record]:
    return to_records(OWNER, OURS, checkpoint, signing)


def best(signing: Signing, *writes: Iterable[Record]) -> Checkpoint | None:
    shelf = Shelf(OWNER, signing)
    for offset, (key, value) in enumerate(record for write in writes for record in write):
        shelf.note(offset, key, value)
    return shelf.best(OURS)


def resealed(record: Record, **changes: object) -> Record:
    """Return a manifest changed by one who knows all but the key."""
    said = orjson.loads(record[1])
    del said["seal"]
    said = {name: value for name, value in (said | changes).items() if value is not None}
    return record[0], orjson.dumps(said | {"seal": shelf_module._seal(said)})


def test_what_was_signed_is_found_with_the_key() -> None:
    assert best(SIGNED, written(LATER)) == LATER


def test_a_signature_depends_on_the_key_and_is_not_the_seal() -> None:
    ours, theirs = (orjson.loads(written(LATER, keyed(k))[-1][1]) for k in (SECRET, THEIRS))
    assert len({ours["signature"], theirs["signature"], ours["seal"], theirs["seal"]}) == 4


@pytest.mark.parametrize("change", [0x01, 0x20, 0x80, 0xFF])
def test_with_any_byte_changed_the_one_before_is_found(change: int) -> None:
    before, last = written(EARLIER), written(LATER)
    for place, (key, value) in enumerate(last):
        for at in range(len(key) + len(value)):
            whole = bytearray(key + value)
            whole[at] ^= change
            damaged = (bytes(whole[: len(key)]), bytes(whole[len(key) :]))
            assert best(SIGNED, before, last[:place], [damaged], last[place + 1 :]) == EARLIER


def test_a_forger_without_the_key_is_passed_over_and_told_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for forged in (written(FORGED, UNSIGNED), written(FORGED, keyed(THEIRS))):
        assert best(SIGNED, written(EARLIER), forged) == EARLIER
        assert best(SIGNED, forged, written(EARLIER)) == EARLIER
    assert "a checkpoint of forecast/0 is refused: it is not signed" in caplog.text
    assert "a checkpoint of forecast/0 is refused: it was signed with another key" in caplog.text


@pytest.mark.parametrize(
    "changes",
    [
        {"position": 7},
        {"owner": "forecast/0", "settings": "other"},
        {"chunks": 3},
        {"sha256": "0" * 64},
        {"more": 1},
        {"signature": None},
        {"signature": ""},
        {"signature": 7},
        {"signature": ["x"]},
        {"signature": "\N{SNOWMAN}"},
        {"schema_version": 3},
    ],
)
def test_nothing_a_signed_manifest_says_can_be_changed(changes: dict[str, object]) -> None:
    *chunks, manifest = written(LATER)
    forged = resealed(manifest, **changes)
    assert best(SIGNED, written(EARLIER), chunks, [forged]) == EARLIER
    with pytest.raises(CheckpointError, match="can be trusted"):
        best(SIGNED, chunks, [forged])


def test_signed_ones_stand_under_no_other_name() -> None:
    theirs = to_records("ingest/clicks/0", OURS, FORGED, SIGNED)
    renamed = [(key.replace(b"ingest/clicks/0", OWNER.encode()), value) for key, value in theirs]
    assert best(SIGNED, written(EARLIER), renamed) == EARLIER


def test_unsigned_ones_are_refused_with_a_key_and_the_way_out_is_named() -> None:
    with pytest.raises(CheckpointError, match=r"not signed.*set TIDECAST_CHECKPOINTS__FORMER_KEY,"):
        best(SIGNED, written(LATER, UNSIGNED))
    assert best(keyed(SECRET, ""), written(LATER, UNSIGNED)) == LATER


def test_with_a_wrong_key_all_are_refused_and_the_way_out_is_named() -> None:
    with pytest.raises(CheckpointError, match=r"another key: mend TIDECAST_CHECKPOINTS__KEY or"):
        best(keyed(THEIRS), written(EARLIER), written(LATER))


def test_without_a_key_nobody_goes_on_from_before_a_signed_one() -> None:
    with pytest.raises(CheckpointError, match="no key is set: set TIDECAST_CHECKPOINTS__KEY"):
        best(UNSIGNED, written(EARLIER, UNSIGNED), written(LATER))
    with pytest.raises(CheckpointError, match="no key is set"):
        best(UNSIGNED, written(LATER), written(EARLIER, UNSIGNED))


def test_keys_are_changed_by_naming_the_former_one() -> None:
    before = written(EARLIER, keyed(FORMER))
    assert best(keyed(SECRET, FORMER), before) == EARLIER
    assert best(keyed(SECRET, FORMER), before, written(LATER)) == LATER
    assert best(SIGNED, before, written(LATER)) == LATER
    assert best(UNSIGNED, written(EARLIER), written(LATER, UNSIGNED)) == LATER
    with pytest.raises(CheckpointError, match="not signed"):
        best(keyed(SECRET, FORMER), written(LATER, UNSIGNED))


def test_signing_is_given_up_by_naming_the_former_key_alone() -> None:
    assert best(keyed("", SECRET), written(EARLIER)) == EARLIER
    assert best(keyed("", SECRET), written(EARLIER), written(LATER, UNSIGNED)) == LATER
    with pytest.raises(CheckpointError, match="another key"):
        best(keyed("", SECRET), written(LATER, keyed(THEIRS)))


def test_no_error_nor_log_shows_a_key(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(CheckpointError) as raised:
        best(keyed(THEIRS, FORMER), written(LATER))
    shown = "".join(traceback.format_exception(raised.value)) + caplog.text + repr(vars(SIGNED))
    assert "canary" not in shown
    assert b"canary" not in b"".join(key + value for key, value in written(LATER))
