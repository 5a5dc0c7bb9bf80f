"""Likelihoods by which means are learnt: normal, negative binomial, with or without extra zeros."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["LIKELIHOODS", "Distribution", "NegativeBinomial", "Normal", "ZeroInflated"]

LEAST = 1e-4
"""Of means, spreads and dispersions, which are positive."""


@dataclass(frozen=True)
class Normal:
    """Any number: ``mean`` and ``spread`` (...)."""

    mean: Tensor
    spread: Tensor

    n_raw = 2

    @classmethod
    def of(cls, raw: Tensor, level: Tensor, scale: Tensor) -> Normal:
        """Return the distribution of ``raw`` (..., 2), in units of level and scale (...)."""
        spread = scale * (functional.softplus(raw[..., 1]) + LEAST)
        return cls(level + scale * raw[..., 0], spread)

    def log_likelihood(self, actual: Tensor) -> Tensor:
        """Return the logarithm of the density at ``actual`` (...)."""
        error = (actual - self.mean) / self.spread
        return -0.5 * error**2 - self.spread.log() - 0.5 * math.log(2 * math.pi)

    def draw(self) -> Tensor:
        """Return numbers by chance, (...)."""
        return self.mean + self.spread * torch.randn_like(self.mean)


@dataclass(frozen=True)
class NegativeBinomial:
    """Counts: variance = mean + dispersion x mean^2 (...)."""

    mean: Tensor
    dispersion: Tensor

    n_raw = 2

    @classmethod
    def of(cls, raw: Tensor, level: Tensor, scale: Tensor) -> NegativeBinomial:
        """Return the distribution of ``raw`` (..., 2), in units of level and scale (...).

        Means end softly at zero, on the scale of the cell.
        """
        mean = scale * functional.softplus(level / scale + raw[..., 0])
        return cls(mean.clamp(min=LEAST), functional.softplus(raw[..., 1]) + LEAST)

    def log_likelihood(self, actual: Tensor) -> Tensor:
        """Return the logarithm of the chance of ``actual`` (...); below zero it is taken for zero.

        Numbers between whole ones are given what the gamma function says of them.
        """
        count = actual.clamp(min=0.0)
        number = 1.0 / self.dispersion
        odds = self.dispersion * self.mean
        return (
            torch.lgamma(count + number)
            - torch.lgamma(number)
            - torch.lgamma(count + 1.0)
            - (count + number) * torch.log1p(odds)
            + count * odds.log()
        )

    def draw(self) -> Tensor:
        """Return counts by chance, (...): Poisson, of means that vary as a gamma."""
        number = 1.0 / self.dispersion
        return torch.poisson(torch.distributions.Gamma(number, number / self.mean).sample())


@dataclass(frozen=True)
class ZeroInflated:
    """Counts of which a share ``zero`` is nothing whatever the rest says (...)."""

    counts: NegativeBinomial
    zero: Tensor

    n_raw = 3

    @classmethod
    def of(cls, raw: Tensor, level: Tensor, scale: Tensor) -> ZeroInflated:
        """Return the distribution of ``raw`` (..., 3), in units of level and scale (...)."""
        return cls(NegativeBinomial.of(raw, level, scale), torch.sigmoid(raw[..., 2] - 3.0))

    @property
    def mean(self) -> Tensor:
        """The mean of both parts, (...)."""
        return (1.0 - self.zero) * self.counts.mean

    def log_likelihood(self, actual: Tensor) -> Tensor:
        """Return the logarithm of the chance of ``actual`` (...)."""
        of_counts = torch.log1p(-self.zero) + self.counts.log_likelihood(actual)
        nothing = torch.logaddexp(self.zero.log(), of_counts)
        return torch.where(actual <= 0, nothing, of_counts)

    def draw(self) -> Tensor:
        """Return counts by chance, (...)."""
        return torch.where(torch.rand_like(self.zero) < self.zero, 0.0, self.counts.draw())


Distribution = Normal | NegativeBinomial | ZeroInflated

LIKELIHOODS: dict[str, type[Distribution]] = {
    "normal": Normal,
    "negative_binomial": NegativeBinomial,
    "zero_inflated": ZeroInflated,
}
"""Every likelihood by its name."""
