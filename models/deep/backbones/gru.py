"""GRU: one recurrent network that goes through the window of every cell."""

from __future__ import annotations

from torch import Tensor, nn

from tidecast.models.deep.backbones.layers import Embed, Readout, join_cells
from tidecast.models.deep.config import Shape
from tidecast.models.deep.space import Space

__all__ = ["Gru"]


class Gru(nn.Module):
    """Layers of gated recurrent units (Cho et al. 2014)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embed = Embed(shape)
        self.layers = nn.GRU(shape.width, shape.width, shape.depth, batch_first=True)
        self.readout = Readout(shape)

    def sequence(self, state: Tensor) -> Tensor:
        """Return (row, context, width) of the same; no step knows a later one."""
        found: Tensor = self.layers(state)[0]
        return found

    def forward(self, tokens: Tensor, identity: Tensor, space: Space) -> Tensor:
        """Return the state of every cell."""
        rows = join_cells(self.embed(tokens, identity))  # (batch * cell, context, width)
        last = self.sequence(rows)[:, -1].unflatten(0, identity.shape[:2])  # (batch, cell, width)
        return self.readout(last, identity)
