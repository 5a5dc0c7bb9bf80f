"""STID: a plain network over the whole window of a cell and its identity."""

from __future__ import annotations

from torch import Tensor, nn

from tidecast.models.deep.backbones.layers import Residual
from tidecast.models.deep.config import Shape
from tidecast.models.deep.space import Space

__all__ = ["Stid"]


class Stid(nn.Module):
    """Spatial and temporal identity (Shao et al., CIKM 2022): cells do not see each other."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.window = nn.Linear(shape.context * shape.channels, shape.width)
        self.identity = nn.Linear(shape.identity, shape.width)
        self.blocks = nn.Sequential(
            *(Residual(shape.width, shape.dropout) for _ in range(shape.depth))
        )

    def forward(self, tokens: Tensor, identity: Tensor, space: Space) -> Tensor:
        """Return the state of every cell."""
        window = tokens.transpose(1, 2).flatten(2)  # (batch, cell, context * channel)
        state = self.window(window) + self.identity(identity)  # (batch, cell, width)
        found: Tensor = self.blocks(state)
        return found
