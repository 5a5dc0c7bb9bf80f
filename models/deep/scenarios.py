"""Scenarios: futures of all cells that go together, and how odd what came is beside them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tidecast.models.deep.device import autocast
from tidecast.models.deep.generator import Conditioned, Generator
from tidecast.models.deep.likelihoods import Distribution
from tidecast.models.deep.model import Model
from tidecast.models.deep.windows import Windows
from tidecast.state.errors import SettingsError

__all__ = ["oddities", "scenarios"]

Floats = NDArray[np.float32]

TOGETHER = 16
"""Futures that are drawn at once: what is kept in memory."""

BESIDE = 64
"""Futures that stand for all, where what came is held against them."""

USUAL = 16
"""Draws of these that tell how odd the usual is."""


def scenarios(model: Model, windows: Windows, origin: int, n: int, seed: int) -> Floats:
    """Return ``n`` futures after ``origin``: (sample, series, cell, lead).

    Every one is of all cells: sums over cells are futures of their sum. None is negative where
    counts were learnt. The same seed draws the same ones.

    Raises
    ------
    SettingsError
        When the network draws no futures, or the context of ``origin`` is not all there.
    """
    network = _generator(model)
    with _drawing(windows, seed):
        found = _conditioned(network, windows, origin)
        sizes = [min(TOGETHER, n - start) for start in range(0, n, TOGETHER)]
        drawn = [network.futures(found, size).draw().float().cpu().numpy() for size in sizes]
    shape = (0, *found.mean.shape[1:])
    return np.concatenate([np.empty(shape, np.float32), *drawn])


def oddities(model: Model, windows: Windows, origin: int, seed: int) -> Floats:
    """Return how odd each bin after ``origin`` is: (series, cell, lead), NaN where none is known.

    In nats: how much less likely what came is, before it came, than what the network itself draws
    there. About zero on average; a cell that does ten times as much as ever has tens.

    Raises
    ------
    SettingsError
        When the network draws no futures, or the context of ``origin`` is not all there.
    """
    network = _generator(model)
    with _drawing(windows, seed):
        found = _conditioned(network, windows, origin)
        futures = network.futures(found, BESIDE)  # (sample, series, cell, lead)
        usual = torch.stack([_surprise(futures, each) for each in futures.draw()[:USUAL]])
        actual = windows.actual([origin])[0]  # (series, cell, lead)
        known = torch.isfinite(actual)
        surprise = _surprise(futures, torch.where(known, actual, 0.0)) - usual.mean(0)
    odd: Floats = torch.where(known, surprise, torch.nan).float().cpu().numpy()
    return odd


def _surprise(futures: Distribution, values: Tensor) -> Tensor:
    """Return minus the logarithm of the chance of ``values`` over all futures: both (...)."""
    each = futures.log_likelihood(values)  # (sample, ...)
    return float(np.log(len(each))) - each.logsumexp(0)


def _generator(model: Model) -> Generator:
    if not isinstance(model.network, Generator):
        raise SettingsError("the network draws no futures: train one with --latent 8, say")
    model.network.eval()
    return model.network


def _conditioned(network: Generator, windows: Windows, origin: int) -> Conditioned:
    with autocast(windows.cells.level.device):
        found: Conditioned = network(windows.inputs([origin]))
    return found


@contextmanager
def _drawing(windows: Windows, seed: int) -> Iterator[None]:
    """Draw by ``seed``, and leave the random numbers of others as they were."""
    device = windows.cells.level.device
    devices = [device] if device.type == "cuda" else []
    with torch.inference_mode(), torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield
