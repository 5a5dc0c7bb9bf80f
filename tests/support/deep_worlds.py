"""Small worlds for deep networks: a few cells with a daily rhythm, and windows of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from tidecast.models.deep.config import NetworkConfig
from tidecast.models.deep.history import History, Scales
from tidecast.models.deep.inputs import Cells, Inputs
from tidecast.models.deep.model import About, make_cells
from tidecast.models.deep.network import Network
from tidecast.models.deep.space import Space
from tidecast.models.deep.training import make_network
from tidecast.models.deep.windows import Windows

N_CELLS = 6
N_BINS = 400
DAY = 24


def small_about(**changes: object) -> About:
    """Return what is known of a model of hourly bins of two series, but for ``changes``."""
    values: dict[str, object] = {
        "series": ("demand", "traffic"),
        "bin_width": 3_600_000_000,
        "time_zone": "UTC",
        "first": "2024-01-01T00:00:00Z",
        "last": "2024-01-17T16:00:00Z",
        "steps": 7,
        "seed": 1,
        "versions": {"torch": "2"},
    }
    return About.model_validate({**values, **changes})


def small_config(**changes: object) -> NetworkConfig:
    """Return the configuration of a network that is quick, with every kind of input."""
    values: dict[str, object] = {
        "n_cells": N_CELLS,
        "context_length": 10,
        "horizon": 3,
        "slots_per_day": DAY,
        "n_series": 2,
        "n_future": 1,
        "n_static": 1,
        "width": 16,
        "depth": 2,
        "embedding_width": 4,
        "grid": (2, 3),
        "quantile_levels": (0.1, 0.5, 0.9),
    }
    return NetworkConfig.model_validate({**values, **changes})


def rhythm(seed: int = 1, n_series: int = 2) -> NDArray[np.float32]:
    """Return counts that follow the day, a tenth of them missing: (bin, cell, series)."""
    random = np.random.default_rng(seed)
    hours = np.arange(N_BINS)[:, None, None]
    sizes = 5.0 + 10.0 * np.arange(N_CELLS)[None, :, None] + np.arange(n_series)
    usual = sizes * (1.5 + np.sin(2 * np.pi * (hours + np.arange(n_series)) / DAY))
    values = random.poisson(usual).astype(np.float32)
    values[random.random(values.shape) < 0.1] = np.nan
    return values


def history_of(values: NDArray[np.float32], seed: int = 2) -> History:
    """Return a history of ``values`` with one covariate known ahead and one that never changes."""
    random = np.random.default_rng(seed)
    n_known = len(values) + 50
    calendar = np.stack([np.arange(n_known) % DAY, np.arange(n_known) // DAY % 7], axis=1)
    future = random.normal(size=(n_known, values.shape[1], 1)).astype(np.float32)
    return History(values, calendar, future, random.normal(size=(values.shape[1], 1)).astype("f4"))


def small_space() -> Space:
    """Return six regions in two rows of three, each near the next two."""
    near = (np.arange(N_CELLS)[:, None] + [1, 2]) % N_CELLS
    near[5] = -1
    places = np.stack([np.arange(N_CELLS) // 3, np.arange(N_CELLS) % 3], axis=1)
    nearness = torch.tensor([[1.0, 0.5]]).expand(N_CELLS, 2)
    return Space(torch.as_tensor(near), nearness, torch.as_tensor(places))


def small_cells(history: History) -> Cells:
    """Return the cells of ``history``, all seen in training."""
    numbers = np.arange(1, N_CELLS + 1)
    return make_cells(numbers, Scales.of(history.values), history.static, small_space())


def small_windows(config: NetworkConfig, values: NDArray[np.float32] | None = None) -> Windows:
    """Return windows of a rhythm, or of ``values``."""
    history = history_of(rhythm(n_series=config.n_series) if values is None else values)
    if not config.n_future:
        history = replace(history, future=history.future[:, :, :0])
    if not config.n_static:
        history = replace(history, static=history.static[:, :0])
    return Windows(history, small_cells(history), config)


def small_network(config: NetworkConfig, seed: int = 3) -> Network:
    """Return an untrained network that forecasts, not learns."""
    return make_network(config, seed).eval()


def permuted(inputs: Inputs, order: torch.Tensor) -> Inputs:
    """Return the same windows with their cells in another ``order``."""
    cells, space = inputs.cells, inputs.cells.space
    now_at = torch.argsort(order)
    near = space.near[order]
    moved = Space(
        torch.where(near >= 0, now_at[near.clamp(min=0)], -1),
        space.nearness[order],
        space.place[order],
    )
    return Inputs(
        inputs.values[:, :, order],
        inputs.known[:, :, order],
        inputs.calendar,
        inputs.future[:, :, order],
        Cells(
            cells.number[order], cells.level[order], cells.scale[order], cells.static[order], moved
        ),
    )
