"""A generator: a network that forecasts, and draws futures of all cells that go together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tidecast.models.deep.backbones.layers import Residual
from tidecast.models.deep.config import NetworkConfig
from tidecast.models.deep.features import CLIP
from tidecast.models.deep.head import Forecast
from tidecast.models.deep.inputs import Cells, Inputs
from tidecast.models.deep.latent import Gaussian, ToGaussian
from tidecast.models.deep.likelihoods import LIKELIHOODS, Distribution
from tidecast.models.deep.network import Network
from tidecast.models.deep.normalise import Units

__all__ = ["Conditioned", "Generator", "network_of"]


@dataclass(frozen=True)
class Conditioned(Forecast):
    """A forecast, with what it was made of: futures are drawn on the same ground."""

    state: Tensor  # (batch, cell, width)
    units: Units


class Generator(Network):
    """A conditional variational autoencoder (Kingma and Welling 2014, Sohn et al. 2015).

    Futures have latent values that all cells of a window share, so that what lifts one lifts
    others, and values of each cell's own; given these, bins are drawn from the likelihood. What the
    past tells of them (the prior) learns from what the future would have told (the posterior).
    Cells in another order have the same futures.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        width, latent = config.width, config.latent
        self._likelihood = LIKELIHOODS[config.likelihood]
        n_targets = config.n_series * config.horizon
        self._axes = (config.n_series, config.horizon, self._likelihood.n_raw)
        self.future = nn.Linear(2 * n_targets, width)
        self.looked = Residual(width, config.dropout)
        self.shared_before, self.shared_after = (ToGaussian(width, latent) for _ in range(2))
        self.own_before, self.own_after = (ToGaussian(width, latent) for _ in range(2))
        self.shared = nn.Linear(latent, width, bias=False)
        self.own = nn.Linear(latent, width, bias=False)
        self.told = Residual(width, config.dropout)
        self.out = nn.Linear(width, n_targets * self._likelihood.n_raw)

    def forward(self, inputs: Inputs) -> Conditioned:
        """See `Network.forward`."""
        return self.said(*self.states(inputs))

    def said(self, state: Tensor, units: Units) -> Conditioned:
        """See `Network.said`."""
        plain = super().said(state, units)
        return Conditioned(plain.quantiles, plain.levels, plain.distribution, state, units)

    def loss(self, found: Any, actual: Tensor, cells: Cells) -> Tensor:
        """Return the loss of the forecast, and what futures cost in nats."""
        of_forecast = super().loss(found, actual, cells)
        return of_forecast + self.cost(found, actual)

    def cost(self, found: Conditioned, actual: Tensor) -> Tensor:
        """Return the negative evidence bound, in nats of a known value.

        ``actual`` is (batch, series, cell, lead), NaN where it counts for nothing. When it is only
        judged, nothing is drawn: means stand for latent values.
        """
        known = torch.isfinite(actual)
        after = self._looked(found, actual, known)  # (batch, cell, width)
        shared_after, shared_before = (
            self.shared_after(after.mean(1)),  # (batch, latent)
            self.shared_before(found.state.mean(1)),
        )
        state = self._together(found.state, self._taken(shared_after))
        own_after, own_before = self.own_after(after), self.own_before(state)
        drawn = self._drawn(state, self._taken(own_after), found.units)
        target = torch.where(known, actual, drawn.mean.detach())
        surprise = torch.where(known, -drawn.log_likelihood(target), 0.0).sum()
        told = shared_after.beyond(shared_before).sum() + own_after.beyond(own_before).sum()
        return (surprise + told) / known.sum().clamp(min=1)

    def futures(self, found: Conditioned, n: int) -> Distribution:
        """Return ``n`` futures of each window, before the chance of single bins is drawn.

        They are (batch x n, series, cell, lead); all that cells have in common is in them.
        """
        shared = self.shared_before(found.state.mean(1)).repeated(n).draw()
        state = self._together(found.state.repeat_interleave(n, 0), shared)
        units = Units(*(each.repeat_interleave(n, 0) for each in vars(found.units).values()))
        own: Gaussian = self.own_before(state)
        return self._drawn(state, own.draw(), units)

    def _taken(self, latent: Gaussian) -> Tensor:
        return latent.draw() if self.training else latent.mean

    def _looked(self, found: Conditioned, actual: Tensor, known: Tensor) -> Tensor:
        """Return states that have seen what comes: (batch, cell, width)."""
        level, scale = found.units.of_leads()
        departure = ((actual - level) / scale).clamp(-CLIP, CLIP)
        seen = torch.stack([torch.where(known, departure, 0.0), known.float()], dim=-1)
        ahead = seen.transpose(1, 2).flatten(2)  # (batch, cell, series * lead * 2)
        looked: Tensor = self.looked(found.state + self.future(ahead))
        return looked

    def _together(self, state: Tensor, shared: Tensor) -> Tensor:
        """Return states (batch, cell, width) that know what all cells share (batch, latent)."""
        return state + self.shared(shared)[:, None]

    def _drawn(self, state: Tensor, own: Tensor, units: Units) -> Distribution:
        """Return the distribution of bins, (batch, series, cell, lead)."""
        raw = self.out(self.told(state + self.own(own)))  # (batch, cell, series * lead * raw)
        raw = raw.unflatten(-1, self._axes).transpose(1, 2)  # (batch, series, cell, lead, raw)
        return self._likelihood.of(raw, *units.of_leads())


def network_of(config: NetworkConfig) -> Network:
    """Return the network of a configuration; with latent values it is a `Generator`."""
    return Generator(config) if config.latent else Network(config)
