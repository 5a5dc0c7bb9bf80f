"""Checkpoints as bytes: named arrays and plain values, versioned, compressed, never executed."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from tidecast.state.errors import CheckpointError

__all__ = ["Arrays", "pack", "prefixed", "unpack", "within"]

VERSION = 1
Arrays = dict[str, NDArray[Any]]


def pack(values: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return plain JSON ``values`` and named ``arrays`` as bytes; the same input, the same bytes.

    Raises
    ------
    CheckpointError
        When an array holds Python objects, which could only be pickled.
    """
    names = sorted(arrays)
    head = {"version": VERSION, "values": values, "names": names}
    buffer = io.BytesIO()
    buffer.write(json.dumps(head, sort_keys=True).encode() + b"\n")
    for name in names:
        if arrays[name].dtype.hasobject:
            raise CheckpointError(f"array {name!r} holds Python objects: give it a plain dtype")
        whole = np.asarray(arrays[name], order="C")  # not ascontiguousarray: it adds an axis
        np.lib.format.write_array(buffer, whole, allow_pickle=False)
    return zstandard.ZstdCompressor(level=1, write_checksum=True).compress(buffer.getvalue())


def unpack(data: bytes) -> tuple[dict[str, Any], Arrays]:
    """Return the values and arrays that ``pack`` was given.

    Raises
    ------
    CheckpointError
        When the bytes are damaged or of a version this program does not know.
    """
    try:
        buffer = io.BytesIO(zstandard.ZstdDecompressor().decompress(data))
        head = json.loads(buffer.readline())
        if head["version"] != VERSION:
            raise CheckpointError(
                f"checkpoint of version {head['version']}, this program writes {VERSION}: "
                "run the version of tidecast that wrote it, or start afresh under another prefix"
            )
        names = head["names"]
        arrays = {n: np.lib.format.read_array(buffer, allow_pickle=False) for n in names}
    except (zstandard.ZstdError, ValueError, TypeError, KeyError, EOFError, MemoryError) as error:
        raise CheckpointError(f"damaged checkpoint: {error}") from error
    return head["values"], arrays


def prefixed(name: str, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    """Return ``arrays`` with ``name/`` before each of their names."""
    return {f"{name}/{key}": array for key, array in arrays.items()}


def within(name: str, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    """Return the arrays that ``prefixed`` put under ``name``.

    Examples
    --------
    >>> within("a", prefixed("a", {"x": np.zeros(1)}))
    {'x': array([0.])}
    """
    start = f"{name}/"
    return {k.removeprefix(start): a for k, a in arrays.items() if k.startswith(start)}
