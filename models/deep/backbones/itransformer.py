"""Inverted transformer: the whole window of a cell is one token, and cells look at each other."""

from __future__ import annotations

from torch import Tensor, nn

from tidecast.models.deep.backbones.layers import Attention
from tidecast.models.deep.config import Shape
from tidecast.models.deep.space import Space

__all__ = ["InvertedTransformer"]


class InvertedTransformer(nn.Module):
    """Attention over cells (Liu et al., ICLR 2024), with identities as STID has them."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.window = nn.Linear(shape.context * shape.channels, shape.width)
        self.identity = nn.Linear(shape.identity, shape.width)
        self.blocks = nn.ModuleList(
            Attention(shape.width, shape.dropout) for _ in range(shape.depth)
        )

    def forward(self, tokens: Tensor, identity: Tensor, space: Space) -> Tensor:
        """Return the state of every cell."""
        window = tokens.transpose(1, 2).flatten(2)  # (batch, cell, context * channel)
        state: Tensor = self.window(window) + self.identity(identity)  # (batch, cell, width)
        for block in self.blocks:
            state = block(state)
        return state
