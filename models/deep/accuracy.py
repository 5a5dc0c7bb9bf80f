"""How good forecasts of windows are: sums over windows and cells, by lead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tidecast.models.deep.config import NetworkConfig
from tidecast.models.deep.device import autocast
from tidecast.models.deep.ensemble import Ensemble
from tidecast.models.deep.inputs import Inputs
from tidecast.models.deep.network import Network
from tidecast.models.deep.quantiles import middle_of, pinball
from tidecast.models.deep.windows import Windows

__all__ = ["FIGURES", "Accuracy", "Says", "accuracy_by", "accuracy_of"]

FIGURES = ("mae", "rmse", "mape", "rmse_mean", "pinball")
"""What of an `Accuracy` says how good forecasts are."""

Floats = NDArray[np.float64]


class Says(Protocol):
    """A forecast in the series' own unit."""

    @property
    def mean(self) -> Tensor:
        """The mean, (batch, series, cell, lead)."""

    @property
    def quantiles(self) -> Tensor:
        """Quantiles, (batch, series, cell, lead, level)."""


@dataclass(frozen=True)
class Accuracy:
    """Figures by lead, (lead,) each; actuals that are missing count for nothing.

    ``mae``, ``mape`` and ``rmse`` are of the median, so that they are of one forecast;
    ``rmse_mean`` is of the mean. ``mape`` leaves out actuals of zero. ``pinball`` is the mean over
    levels.
    """

    mae: Floats
    rmse: Floats
    mape: Floats
    rmse_mean: Floats
    pinball: Floats
    n: Floats

    def overall(self) -> dict[str, float]:
        """Return the mean of each figure over leads, as published tables do."""
        found = {name: float(np.mean(getattr(self, name))) for name in FIGURES}
        return {**found, "n": float(self.n.sum())}


def accuracy_of(
    network: Network | Ensemble, windows: Windows, origins: NDArray[np.int64], batch_size: int
) -> Accuracy:
    """Return how good ``network``, or some together, is at ``origins``."""
    network.eval()
    with torch.no_grad(), autocast(windows.cells.level.device):
        return accuracy_by(network, network.config, windows, origins, batch_size)


def accuracy_by(
    forecast: Callable[[Inputs], Says],
    config: NetworkConfig,
    windows: Windows,
    origins: NDArray[np.int64],
    batch_size: int,
) -> Accuracy:
    """Return how good is what ``forecast`` says at ``origins``."""
    levels = torch.tensor(config.quantile_levels, device=windows.cells.level.device)
    middle = middle_of(config.quantile_levels)
    sums = torch.zeros(7, config.horizon, dtype=torch.float64)
    for start in range(0, len(origins), batch_size):
        batch = origins[start : start + batch_size]
        said = forecast(windows.inputs(batch))
        sums += _sums(said, windows.actual(batch), middle, levels).cpu()
    n, absolute, squared, squared_mean, relative, n_relative, loss = sums.numpy()
    some = np.maximum(n, 1)
    return Accuracy(
        mae=absolute / some,
        rmse=np.sqrt(squared / some),
        mape=relative / np.maximum(n_relative, 1),
        rmse_mean=np.sqrt(squared_mean / some),
        pinball=loss / some,
        n=n,
    )


def _sums(forecast: Says, actual: Tensor, middle: int, levels: Tensor) -> Tensor:
    """Return sums over all but leads: (figure, lead)."""
    known = torch.isfinite(actual)  # (batch, series, cell, lead)
    target = torch.where(known, actual, 0.0)
    error = forecast.quantiles[..., middle] - target
    counts = known & (target != 0)
    parts = (
        torch.ones_like(target),
        error.abs(),
        error**2,
        (forecast.mean - target) ** 2,
        torch.where(counts, error.abs() / target.abs().clamp(min=1e-9), 0.0),
        counts.to(target.dtype),
        0.5 * pinball(forecast.quantiles, target, levels),
    )
    return torch.stack([torch.where(known, p, 0.0).double().sum((0, 1, 2)) for p in parts])
