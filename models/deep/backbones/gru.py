"""GRU: one recurrent network that goes through the window of every cell."""

from __future__ import annotations

from torch import Tensor, nn

from tidecast.models.deep.backbones.sequence import Sequence
from tidecast.models.deep.config import Shape

__all__ = ["Gru"]


class Gru(Sequence):
    """Layers of gated recurrent units (Cho et al. 2014)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self.layers = nn.GRU(shape.width, shape.width, shape.depth, batch_first=True)

    def sequence(self, state: Tensor) -> Tensor:
        """See `Sequence.sequence`."""
        found: Tensor = self.layers(state)[0]
        return found
