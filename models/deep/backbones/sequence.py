"""Sequences: the window of every cell as one, of which the last state is given on."""

from __future__ import annotations

from torch import Tensor, nn

from tidecast.models.deep.backbones.layers import Embed, Readout, join_cells
from tidecast.models.deep.config import Shape
from tidecast.models.deep.space import Space

__all__ = ["Sequence"]


class Sequence(nn.Module):
    """A backbone that goes through the window of each cell; cells do not see each other."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embed = Embed(shape)
        self.readout = Readout(shape)

    def sequence(self, state: Tensor) -> Tensor:
        """Return (row, context, width) of the same; no step knows a later one."""
        raise NotImplementedError

    def last(self, state: Tensor) -> Tensor:
        """Return the last step of `sequence`: (row, width)."""
        return self.sequence(state)[:, -1]

    def forward(self, tokens: Tensor, identity: Tensor, space: Space) -> Tensor:
        """Return the state of every cell."""
        rows = join_cells(self.embed(tokens, identity))  # (batch * cell, context, width)
        last = self.last(rows).unflatten(0, identity.shape[:2])  # (batch, cell, width)
        return self.readout(last, identity)
