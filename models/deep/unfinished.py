"""Unfinished training on disk: one file of tensors, nothing that runs when read."""

from __future__ import annotations

import json
from pathlib import Path

import safetensors
import safetensors.torch

from tidecast.models.deep.training import TrainingState
from tidecast.models.deep.writing import contiguous, fresh_beside, put, writing
from tidecast.state.errors import CheckpointError

__all__ = ["check_kept", "load_training", "save_training"]

FORMAT = 1


def save_training(path: Path, state: TrainingState) -> None:
    """Write unfinished training to one file, whole or not at all.

    Raises
    ------
    CheckpointError
        When it cannot be written; a file that was there stays.
    """
    values = {"state": json.dumps({"format": FORMAT, **state.values})}
    put(path, safetensors.torch.save(contiguous(state.tensors), metadata=values))


def check_kept(path: Path) -> None:
    """Refuse a file of which `save_training` would say that it cannot be written."""
    fresh = fresh_beside(path)
    with writing(path):
        fresh.touch()
        fresh.unlink()


def load_training(path: Path) -> TrainingState:
    """Return the unfinished training of a file.

    Raises
    ------
    CheckpointError
        When it is not there, damaged, or of another format.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            values = json.loads((file.metadata() or {})["state"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, KeyError, ValueError, safetensors.SafetensorError) as error:
        raise CheckpointError(f"training {path} cannot be read: {error}") from error
    if values.pop("format", None) != FORMAT:
        raise CheckpointError(f"training {path} is of another format: train anew")
    return TrainingState(values, tensors)
