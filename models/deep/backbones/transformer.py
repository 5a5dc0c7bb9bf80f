"""Transformer: attention over the steps of a window, then over the cells of a step."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tidecast.models.deep.backbones.layers import Attention, Embed, Readout, join_cells
from tidecast.models.deep.config import Shape
from tidecast.models.deep.space import Space

__all__ = ["Transformer"]


class Transformer(nn.Module):
    """Temporal, then spatial attention (as in STAEformer, Liu et al. 2023).

    Attention over cells costs their number squared.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embed = Embed(shape)
        self.position = nn.Parameter(torch.randn(shape.context, 1, shape.width) * 0.02)
        self.over_time = nn.ModuleList(
            Attention(shape.width, shape.dropout) for _ in range(shape.depth)
        )
        self.over_cells = nn.ModuleList(
            Attention(shape.width, shape.dropout) for _ in range(shape.depth)
        )
        self.steps = nn.Linear(shape.context * shape.width, shape.width)
        self.readout = Readout(shape)

    def forward(self, tokens: Tensor, identity: Tensor, space: Space) -> Tensor:
        """Return the state of every cell."""
        n_batch, n_context, n_cells, _ = tokens.shape
        state = self.embed(tokens, identity) + self.position  # (batch, context, cell, width)
        rows = join_cells(state)  # (batch * cell, context, width)
        for layer in self.over_time:
            rows = layer(rows)
        state = rows.unflatten(0, (n_batch, n_cells)).transpose(1, 2)
        rows = state.flatten(0, 1)  # (batch * context, cell, width)
        for layer in self.over_cells:
            rows = layer(rows)
        state = rows.unflatten(0, (n_batch, n_context)).transpose(1, 2)
        return self.readout(self.steps(state.flatten(2)), identity)
