"""Writing: files whole, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor

from tidecast.state.errors import CheckpointError

__all__ = ["contiguous", "write", "writing"]


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
