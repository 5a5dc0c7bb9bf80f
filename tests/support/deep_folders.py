"""Folders of small models for the live shop of deep workers: minutes of six cells, two series."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from deep_worlds import rhythm, small_about, small_config, small_network
from slabs import settings_with

from tidecast.models.deep.folder import save_model
from tidecast.models.deep.history import Scales
from tidecast.models.deep.model import Model
from tidecast.models.deep.network import Network
from tidecast.state.bins import BinGrid, iso
from tidecast.state.cells import Cell
from tidecast.state.settings import Settings
from tidecast.state.slabs import Slab
from tidecast.streams.wire import encode_window

MINUTE = 60_000_000
GRID = BinGrid(MINUTE)
SERIES = ("value", "demand")
CELLS = [Cell(f"region {n}", "x") for n in range(6)]
VALUES = rhythm()
FIRST = 1_000_000
STEP = 2.0
"""Scales of a window from its level to an outermost quantile: ten bins know no day, and this holds
three in four of what comes."""


def saved(root: Path, name: str, spread: float = 1.0, until: int = FIRST, **changes: Any) -> Path:
    """Write a model into the folder of models, under ``name``.

    It has learnt nothing: what it says is the level of the window, with an error that grows with
    ``spread``, between quantiles that hold about what they should where that is one. Its data end
    before the bin ``until``.
    """
    given = {"n_future": 0, "n_static": 0, "slots_per_day": 1440, **changes}
    about = small_about(series=SERIES, bin_width=MINUTE, last=iso(GRID.start(until)))
    usual = Scales.of(VALUES)
    scales = Scales(usual.level, np.float32(spread) * usual.scale)
    network = small_network(small_config(**given))
    _make_honest(network)
    model = Model(network, tuple(CELLS), scales, about)
    save_model(root / name, model, {})
    return root / name


def _make_honest(network: Network) -> None:
    """Let the two quantiles beside the median begin where they hold what comes."""
    n_raw = network.head.out.out_features // (network.config.n_series * network.config.horizon)
    with torch.no_grad():
        network.head.out.bias.view(-1, n_raw)[:, [0, 2]] = math.log(math.expm1(STEP))


def settings_of(root: Path, **deep: Any) -> Settings:
    """Return settings whose folder of models is ``root``."""
    return settings_with(deep={"models": str(root), **deep})


def window(number: int) -> bytes:
    """Return the record of the bin ``number`` after FIRST."""
    slab = Slab(FIRST + number, np.nan_to_num(VALUES[number]).astype(np.float64))
    return encode_window(slab, CELLS, SERIES, GRID)
