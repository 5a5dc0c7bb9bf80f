"""The head: what a backbone knows of a cell, as quantiles and a mean for every lead."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tidecast.models.deep.config import NetworkConfig
from tidecast.models.deep.likelihoods import LIKELIHOODS, NegativeBinomial, Normal, ZeroInflated
from tidecast.models.deep.normalise import Units
from tidecast.models.deep.quantiles import mean_of, middle_of, ordered

__all__ = ["Forecast", "Head"]

FIRST_STEP = -2.0
"""What steps between quantiles begin at: the softplus of it, an eighth of a scale."""


def in_planes(raw: Tensor) -> Tensor:
    """Return ``raw`` (..., n) with all first numbers side by side in memory, then all second.

    What is done to one of the n is quick then.
    """
    return raw.movedim(-1, 0).contiguous().movedim(0, -1)


@dataclass(frozen=True)
class Forecast:
    """What a network says, in the series' own unit; quantiles rise along their axis."""

    quantiles: Tensor  # (batch, series, cell, lead, level)
    levels: tuple[float, ...]  # of the quantiles
    distribution: Normal | NegativeBinomial | ZeroInflated  # of (batch, series, cell, lead)

    @property
    def mean(self) -> Tensor:
        """The mean, (batch, series, cell, lead): see `mean_of`."""
        return mean_of(self.quantiles, self.levels, self.distribution.mean)


class Head(nn.Module):
    """One linear map of the state of a cell; it is never run in less than 32 bits."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self._likelihood = LIKELIHOODS[config.likelihood]
        self._levels = config.quantile_levels
        self._n_levels = len(config.quantile_levels)
        self._middle = middle_of(config.quantile_levels)
        n_raw = self._n_levels + self._likelihood.n_raw
        self._axes = (config.n_series, config.horizon, n_raw)
        self.out = nn.Linear(config.width, config.n_series * config.horizon * n_raw)
        self._begin_narrow()

    def _begin_narrow(self) -> None:
        with torch.no_grad():
            bias = self.out.bias.view(self._axes)  # (series, lead, raw)
            bias.zero_()
            bias[..., : self._n_levels] = FIRST_STEP
            bias[..., self._middle] = 0.0
            bias[..., self._n_levels + 1] = FIRST_STEP

    def forward(self, state: Tensor, units: Units) -> Forecast:
        """Return the forecast of states (batch, cell, width)."""
        with torch.autocast(state.device.type, enabled=False):
            raw = self.out(state.float())  # (batch, cell, series * lead * raw)
        raw = in_planes(raw.unflatten(-1, self._axes).transpose(1, 2))
        of_quantiles, of_mean = raw.split((self._n_levels, self._likelihood.n_raw), dim=-1)
        level, scale = units.of_leads()
        steps = ordered(of_quantiles, self._middle)
        quantiles = level[..., None] + scale[..., None] * steps
        return Forecast(quantiles, self._levels, self._likelihood.of(of_mean, level, scale))
