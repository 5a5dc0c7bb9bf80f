"""Latent values: what a window is told by besides its past, Gaussian, drawn so that they learn."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["Gaussian", "ToGaussian"]

WIDEST = 5.0
"""Of the logarithm of a scale, either way."""


@dataclass(frozen=True)
class Gaussian:
    """Independent normal values: ``mean`` and the logarithm of the scale, (..., latent)."""

    mean: Tensor
    log_scale: Tensor

    def draw(self) -> Tensor:
        """Return values that pass gradients on (Kingma and Welling 2014): (..., latent)."""
        return self.mean + self.log_scale.exp() * torch.randn_like(self.mean)

    def beyond(self, other: Gaussian) -> Tensor:
        """Return how many nats these tell that ``other`` does not (Kullback-Leibler): (...)."""
        ratio = 2.0 * (self.log_scale - other.log_scale)
        squared = ((self.mean - other.mean) / other.log_scale.exp()) ** 2
        return 0.5 * (ratio.exp() + squared - 1.0 - ratio).sum(-1)

    def repeated(self, n: int) -> Gaussian:
        """Return the same ``n`` times along the first axis."""
        return Gaussian(self.mean.repeat_interleave(n, 0), self.log_scale.repeat_interleave(n, 0))


class ToGaussian(nn.Module):
    """Makes the Gaussian of ``latent`` values that a state (..., width) tells."""

    def __init__(self, width: int, latent: int) -> None:
        super().__init__()
        self.out = nn.Linear(width, 2 * latent)

    def forward(self, state: Tensor) -> Gaussian:
        """Return the Gaussian of ``state``: (..., latent)."""
        mean, log_scale = self.out(state).chunk(2, dim=-1)
        return Gaussian(mean, log_scale.clamp(-WIDEST, WIDEST))
