"""Models on disk: safetensors and JSON, nothing that runs when read."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from pydantic import BaseModel
from torch import Tensor

from tidecast.models.deep.config import NetworkConfig
from tidecast.models.deep.generator import network_of
from tidecast.models.deep.history import Scales
from tidecast.models.deep.model import About, Model
from tidecast.models.deep.writing import contiguous, write, writing
from tidecast.state.cells import Cell
from tidecast.state.errors import CheckpointError, SettingsError
from tidecast.state.scopes import nested, scoped

__all__ = ["COMPLETE", "check_free", "list_models", "load_model", "save_model"]

FORMAT = 1
WEIGHTS, CONFIG, CELLS, METRICS = "weights.safetensors", "config.json", "cells.json", "metrics.json"
COMPLETE = "complete.json"
"""Names every file and its checksum."""

WEIGHT, LEVEL, SCALE = "weight", "scales/level", "scales/scale"
UNREADABLE = (
    *(KeyError, TypeError, ValueError, RuntimeError),
    *(SettingsError, safetensors.SafetensorError),
)


def save_model(folder: Path, model: Model, metrics: Mapping[str, Any]) -> None:
    """Write a model; the folder appears whole, or not at all.

    Raises
    ------
    CheckpointError
        When ``folder`` is there already, or cannot be written.
    """
    partial = _begun(folder)
    try:
        files = _files(model, metrics)
        files[COMPLETE] = _json({name: _checksum(data) for name, data in files.items()})
        for name, data in files.items():
            write(partial / name, data)
        partial.chmod(0o755)
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def check_free(folder: Path) -> None:
    """Refuse a folder of which `save_model` would say that it cannot be written."""
    _begun(folder).rmdir()


def load_model(folder: Path, device: torch.device | None = None) -> tuple[Model, dict[str, Any]]:
    """Return the model of a folder, and its metrics.

    Raises
    ------
    CheckpointError
        When it is not there, half-written, damaged, or of another format.
    """
    files = _read(folder)
    try:
        config = json.loads(files[CONFIG])
        if config["format"] != FORMAT:
            raise CheckpointError(
                f"model {folder} is of format {config['format']}: this version reads {FORMAT}"
            )
        network_config = NetworkConfig.model_validate(config["network"])
        about = About.model_validate(config["about"])
        cells = tuple(Cell(*names) for names in json.loads(files[CELLS]))
        tensors = safetensors.torch.load(files[WEIGHTS])
        _check_shapes(tensors, network_config, len(cells))
        network = network_of(network_config)
        network.load_state_dict(scoped(tensors, WEIGHT))
        scales = Scales(tensors[LEVEL].numpy(), tensors[SCALE].numpy())
        metrics: dict[str, Any] = json.loads(files[METRICS])
    except UNREADABLE as error:
        raise CheckpointError(f"model {folder} cannot be read: {error}") from error
    network.eval()
    return Model(network.to(device or torch.device("cpu")), cells, scales, about), metrics


def list_models(root: Path) -> tuple[Path, ...]:
    """Return the folders of whole models in ``root``, by name; half-written ones are not seen."""
    found = (path.parent for path in root.glob(f"*/{COMPLETE}"))
    return tuple(sorted(path for path in found if not path.name.startswith(".")))


def _begun(folder: Path) -> Path:
    """Return a new folder beside ``folder``, which is not there yet."""
    if folder.exists():
        raise CheckpointError(f"{folder} is there already: give another folder, or remove it")
    with writing(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))


def _files(model: Model, metrics: Mapping[str, Any]) -> dict[str, bytes]:
    weights = nested({WEIGHT: model.network.state_dict()})
    level, scale = (torch.as_tensor(a) for a in (model.scales.level, model.scales.scale))
    config = {
        "format": FORMAT,
        "network": _plain(model.network.config),
        "about": _plain(model.about),
    }
    return {
        WEIGHTS: safetensors.torch.save(contiguous({**weights, LEVEL: level, SCALE: scale})),
        CONFIG: _json(config),
        CELLS: _json([list(cell) for cell in model.cells]),
        METRICS: _json(metrics),
    }


def _check_shapes(tensors: Mapping[str, Tensor], config: NetworkConfig, n_cells: int) -> None:
    """Refuse tensors of another network, before memory is taken for what a file only claims.

    Raises
    ------
    ValueError
        When a tensor is missing, or its shape is another.
    """
    with torch.device("meta"):  # shapes without numbers
        shapes = {name: w.shape for name, w in network_of(config).state_dict().items()}
    expected = nested({WEIGHT: shapes})
    of_scales = torch.Size((n_cells, config.n_series))
    expected |= {LEVEL: of_scales, SCALE: of_scales}
    wrong = sorted(
        name
        for name in {*expected, *tensors}
        if name not in tensors or tensors[name].shape != expected.get(name)
    )
    if wrong or config.n_cells != n_cells:
        which = ", ".join(wrong[:3]) or "the cells"
        raise ValueError(f"{which} do not fit a network of {config.n_cells:,} cells")


def _read(folder: Path) -> dict[str, bytes]:
    """Return the files of a whole model, their checksums proven."""
    try:
        checksums = json.loads((folder / COMPLETE).read_bytes())
        files = {name: (folder / name).read_bytes() for name in (WEIGHTS, CONFIG, CELLS, METRICS)}
    except FileNotFoundError as error:
        models = ", ".join(path.name for path in list_models(folder))
        hint = f": name one of those in it, {models}" if models else ""
        raise CheckpointError(f"{folder} holds no whole model{hint}") from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder} holds no whole model: {error}") from error
    for name, data in files.items():
        if checksums.get(name) != _checksum(data):
            raise CheckpointError(f"{folder / name} is damaged: its checksum is another")
    return files


def _plain(settings: BaseModel) -> Any:
    return settings.model_dump(mode="json")


def _json(values: Any) -> bytes:
    return (json.dumps(values, indent=1, allow_nan=False) + "\n").encode()


def _checksum(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
