"""Writing: files whole, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor

from tidecast.state.errors import CheckpointError

__all__ = ["contiguous", "fresh_beside", "put", "write", "writing"]


def write(path: Path, data: bytes) -> None:
    """Write a file, or nothing.

    Raises
    ------
    CheckpointError
        When the disk is full, or may not be written to.
    """
    try:
        with writing(path), path.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except CheckpointError:
        path.unlink(missing_ok=True)
        raise


def put(path: Path, data: bytes) -> None:
    """Write a file in the place of ``path``, whole; until then what was there stays.

    Raises
    ------
    CheckpointError
        When it cannot be written.
    """
    fresh = fresh_beside(path)
    write(fresh, data)
    with writing(path):
        fresh.replace(path)


def fresh_beside(path: Path) -> Path:
    """Return the file, in a folder that is there, that is written to take the place of ``path``."""
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".{path.name}.new")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say of what goes wrong meanwhile that ``path`` cannot be written."""
    try:
        yield
    except OSError as error:
        raise CheckpointError(f"{path} cannot be written: {error.strerror}") from error


def contiguous(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors as safetensors takes them."""
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
