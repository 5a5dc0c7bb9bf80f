"""Checkpoints as bytes."""

from __future__ import annotations

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tidecast.state.checkpoint import pack, unpack
from tidecast.state.errors import CheckpointError

ARRAYS = {
    "sums": np.arange(6).reshape(2, 3),
    "empty": np.zeros((0, 4), np.float32),
    "names": np.array(["north", "süd"]),
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


def test_another_version_is_refused_with_the_way_out() -> None:
    data = zstandard.compress(b'{"version":99,"values":{},"names":[]}\n')
    with pytest.raises(CheckpointError, match=r"version 99.*start afresh"):
        unpack(data)


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
    with pytest.raises(CheckpointError, match="damaged"):
        unpack(zstandard.compress(b"[]\n"))
