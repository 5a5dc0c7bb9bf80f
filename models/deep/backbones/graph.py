"""Graph convolutions: cells see their neighbours, and those of a graph that is learnt."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from tidecast.models.deep.backbones.layers import Readout
from tidecast.models.deep.config import Shape
from tidecast.models.deep.space import Space

__all__ = ["Graph"]

N_HUBS = 16


class Graph(nn.Module):
    """Graph convolutions over near cells (Kipf and Welling 2017) and over a learnt graph.

    The learnt graph (as in Graph WaveNet and AGCRN) is of low rank: every cell belongs to some of a
    few hubs by its identity, and sees what these have in common. So it costs cells times hubs, and
    new cells have a place in it.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.window = nn.Linear(shape.context * shape.channels, shape.width)
        self.identity = nn.Linear(shape.identity, shape.width)
        self.hubs = nn.Linear(shape.identity, N_HUBS)
        self.layers = nn.ModuleList(
            nn.Linear(3 * shape.width, shape.width) for _ in range(shape.depth)
        )
        self.dropout = nn.Dropout(shape.dropout)
        self.readout = Readout(shape)

    def forward(self, tokens: Tensor, identity: Tensor, space: Space) -> Tensor:
        """Return the state of every cell."""
        window = tokens.transpose(1, 2).flatten(2)  # (batch, cell, context * channel)
        state = functional.gelu(self.window(window) + self.identity(identity))
        belongs = self.hubs(identity).softmax(dim=-1)  # (batch, cell, hub)
        for layer in self.layers:
            seen = torch.cat([state, space.near_mean(state), _hub_mean(state, belongs)], dim=-1)
            state = state + self.dropout(functional.gelu(layer(seen)))
        return self.readout(state, identity)


def _hub_mean(state: Tensor, belongs: Tensor) -> Tensor:
    """Return what the hubs of each cell have in common: (batch, cell, width)."""
    weight = belongs.sum(dim=1)[..., None].clamp(min=1e-6)  # (batch, hub, 1)
    hubs = belongs.transpose(1, 2) @ state / weight  # (batch, hub, width)
    return belongs @ hubs
