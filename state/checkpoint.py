"""Checkpoints as bytes: named arrays and plain values, versioned, compressed, never executed.

The bytes are one line of JSON (version, values, name, dtype and shape of each array), then the
arrays one after the other, all in one zstd frame with a checksum.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from tidecast.state.errors import CheckpointError

__all__ = ["Arrays", "compress", "lay_out", "pack", "unpack"]

logger = logging.getLogger(__name__)
VERSION = 5  # 4 had levels of sparse tables in other units
LIBRARIES = ("numpy", "river", "lightgbm")  # what the same bytes after the same events depend on
DAMAGE = (
    zstandard.ZstdError,
    ValueError,
    TypeError,
    KeyError,
    ArithmeticError,
    SyntaxError,
    MemoryError,
)
Arrays = dict[str, NDArray[Any]]


def pack(values: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return plain JSON ``values`` and named ``arrays`` as bytes; the same input, the same bytes.

    Raises
    ------
    CheckpointError
        When an array holds Python objects, which could only be pickled.
    """
    return compress(lay_out(values, arrays))


def lay_out(values: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the first half of ``pack``: a copy of all, after which the arrays may change.

    Raises
    ------
    CheckpointError
        When an array holds Python objects, which could only be pickled.
    """
    described, parts = [], []
    for name in sorted(arrays):
        array = np.asarray(arrays[name], order="C")  # not ascontiguousarray: it adds an axis
        if array.dtype.hasobject:
            raise CheckpointError(f"array {name!r} holds Python objects: give it a plain dtype")
        described.append((name, array.dtype.str, array.shape))
        parts.append(array.reshape(-1).view(np.uint8).data)
    head = {"version": VERSION, **_libraries(), "values": values, "arrays": described}
    return b"".join([json.dumps(head, sort_keys=True).encode(), b"\n", *parts])


def compress(laid_out: bytes) -> bytes:
    """Return the second half of ``pack``, which takes most of its time."""
    return zstandard.ZstdCompressor(level=1, write_checksum=True).compress(laid_out)


def unpack(data: bytes) -> tuple[dict[str, Any], Arrays]:
    """Return the values and arrays that ``pack`` was given.

    Raises
    ------
    CheckpointError
        When the bytes are damaged or of a version this program does not know.
    """
    try:
        whole = zstandard.ZstdDecompressor().decompress(data)
        start = whole.index(b"\n") + 1
        head = json.loads(whole[:start])
        if head["version"] != VERSION:
            raise CheckpointError(
                f"checkpoint of version {head['version']}, this program reads {VERSION}: "
                "run the version of tidecast that wrote it, or start afresh under another "
                "kafka.topic_prefix"
            )
        arrays = _arrays(memoryview(whole)[start:], head["arrays"])
        written_by = {name: head[name] for name in LIBRARIES}
    except DAMAGE as error:
        raise CheckpointError(f"damaged checkpoint: {error}") from error
    if written_by != _libraries():
        _say_difference(*written_by.items())
    return head["values"], arrays


def _arrays(data: memoryview, described: list[tuple[str, str, list[int]]]) -> Arrays:
    arrays: Arrays = {}
    at = 0
    for name, kind, shape in described:
        dtype = np.dtype(kind)
        count = math.prod(shape)
        whole = np.frombuffer(data, dtype, count, at) if count else np.empty(0, dtype)
        arrays[name] = whole.reshape(shape).copy()  # its own memory, aligned, to be changed
        at += count * dtype.itemsize
    if at != len(data):
        raise ValueError(f"{len(data)} bytes of arrays, not {at}")
    return arrays


@cache
def _libraries() -> dict[str, str]:
    return {name: _version(name) for name in LIBRARIES}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


@cache
def _say_difference(*written_by: tuple[str, str]) -> None:
    """Log, once for each set of versions, that results may differ in their last digits."""
    theirs = ", ".join(f"{name} {number}" for name, number in written_by)
    ours = ", ".join(f"{name} {number}" for name, number in _libraries().items())
    logger.warning(
        "the checkpoint was written under %s, this is %s: forecasts go on, but are not promised "
        "to be the same to the byte",
        theirs,
        ours,
    )
