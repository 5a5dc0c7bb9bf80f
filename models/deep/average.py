"""A running mean of weights, which forecasts better than the last ones do."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Average"]


class Average:
    """Exponentially forgotten weights (Polyak and Juditsky 1992); young means forget faster."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._decay = decay
        self.steps = 0
        self.weights = {
            name: weight.detach().clone() for name, weight in network.named_parameters()
        }

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Add the weights that ``network`` has now."""
        kept = min(self._decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        torch._foreach_lerp_([*self.weights.values()], [*network.parameters()], 1.0 - kept)

    def restore(self, weights: dict[str, Tensor], steps: int) -> None:
        """Become the mean of those ``weights`` after so many steps."""
        for name, weight in weights.items():
            self.weights[name].copy_(weight)
        self.steps = steps
