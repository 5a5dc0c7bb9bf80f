"""Checkpoints as bytes."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tidecast.state import checkpoint
from tidecast.state.checkpoint import compress, lay_out, pack, unpack
from tidecast.state.errors import CheckpointError

ARRAYS = {
    "sums": np.arange(6).reshape(2, 3),
    "empty": np.zeros((0, 4), np.float32),
    "names": np.array(["north", "süd"]),
    "flags": np.array([True, False, True]),
    "number": np.array(7, np.int32),
}


def test_what_was_packed_is_unpacked() -> None:
    values, arrays = unpack(pack({"a": [1, None, "x"]}, ARRAYS))
    assert values == {"a": [1, None, "x"]}
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype


def test_arrays_are_whole_whatever_their_layout() -> None:
    turned = np.arange(12).reshape(3, 4).T[::2]
    np.testing.assert_array_equal(unpack(pack({}, {"a": turned}))[1]["a"], turned)


def test_an_array_without_axes_stays_one() -> None:
    assert int(unpack(pack({}, {"last": np.array(7)}))[1]["last"]) == 7


def test_the_same_input_gives_the_same_bytes() -> None:
    turned = dict(reversed(ARRAYS.items()))
    assert pack({"a": 1, "b": 2}, ARRAYS) == pack({"b": 2, "a": 1}, turned)


def test_what_was_unpacked_may_be_changed() -> None:
    arrays = unpack(pack({}, ARRAYS))[1]
    arrays["sums"] += 1
    assert arrays["sums"][0, 0] == 1


def test_arrays_of_objects_are_refused_by_name() -> None:
    with pytest.raises(CheckpointError, match="'things' holds Python objects"):
        pack({}, {"things": np.array([{}], object)})


@pytest.mark.parametrize("version", [1, 2, 99])
def test_another_version_is_refused_with_the_way_out(version: int) -> None:
    data = zstandard.compress(b'{"version":%d,"values":{},"names":[]}\n' % version)
    with pytest.raises(CheckpointError, match=rf"version {version}, .*start afresh"):
        unpack(data)


def test_other_versions_of_libraries_are_read_and_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    written = pack({"a": 1}, ARRAYS)
    with caplog.at_level(logging.WARNING):
        unpack(written)
        assert caplog.text == ""
        monkeypatch.setattr(checkpoint, "_libraries", lambda: {"numpy": "9.9", "river": "0.0"})
        for _ in range(3):
            assert unpack(written)[0] == {"a": 1}
    assert len(caplog.records) == 1
    assert "this is numpy 9.9, river 0.0" in caplog.text


def test_what_is_laid_out_does_not_change_with_the_arrays() -> None:
    sums = np.zeros((2, 3))
    laid_out = lay_out({}, {"sums": sums})
    sums += 1
    assert not unpack(compress(laid_out))[1]["sums"].any()


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_damage_is_an_error_or_changes_nothing(place: int, byte: int) -> None:
    whole = pack({"a": 1}, ARRAYS)
    damaged = bytearray(whole)
    damaged[place % len(whole)] = byte
    try:
        values, arrays = unpack(bytes(damaged))
    except CheckpointError:
        return
    assert pack(values, arrays) == whole


@given(st.integers(0, 10_000))
def test_a_checkpoint_cut_short_is_refused(length: int) -> None:
    whole = pack({"a": 1}, ARRAYS)
    with pytest.raises(CheckpointError, match="damaged"):
        unpack(whole[: length % len(whole)])


def test_bytes_that_are_no_checkpoint_are_refused() -> None:
    with pytest.raises(CheckpointError, match="damaged"):
        unpack(b"not a checkpoint")
    for text in (b"", b"[]\n", b"no line of JSON", b'{"version":5}\n'):
        with pytest.raises(CheckpointError, match="damaged"):
            unpack(zstandard.compress(text))


@pytest.mark.parametrize(
    "described",
    [
        ["a", "|O", [1]],
        ["a", "<f8", [2]],
        ["a", "<f8", [0]],
        ["a", "<f8", [-1]],
        ["a", "<f8", [1, 10**30]],
        ["a", "no dtype", [1]],
        ["a", "<f8"],
    ],
)
def test_arrays_that_are_not_as_described_are_refused(described: list[object]) -> None:
    head = {"version": 5, "numpy": "2", "river": "0", "values": {}, "arrays": [described]}
    with pytest.raises(CheckpointError, match="damaged"):
        unpack(zstandard.compress(json.dumps(head).encode() + b"\n" + bytes(8)))
