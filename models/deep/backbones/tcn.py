"""TCN: dilated causal convolutions in residual blocks."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from tidecast.models.deep.backbones.layers import CausalConv, dilations, halved
from tidecast.models.deep.backbones.sequence import Sequence
from tidecast.models.deep.config import Shape

__all__ = ["Tcn"]

KERNEL = 3


class Tcn(Sequence):
    """The temporal convolutional network of Bai et al. (2018); it sees the whole window."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self.blocks = nn.Sequential(
            *(
                Block(shape.width, dilation, shape.dropout)
                for dilation in dilations(shape.context, KERNEL, shape.depth)
            )
        )

    def sequence(self, state: Tensor) -> Tensor:
        """See `Sequence.sequence`."""
        found: Tensor = self.blocks(state.transpose(1, 2))  # (row, width, context)
        return found.transpose(1, 2)

    def last(self, state: Tensor) -> Tensor:
        """See `Sequence.last`; only the steps that it comes from are convolved."""
        state = state.transpose(1, 2)  # (row, width, context)
        for block in self.blocks:
            state = block.halved(state)
        return state[:, :, -1]


class Block(nn.Module):
    """Two convolutions of one dilation beside the identity, (row, width, time) in and out."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.first = CausalConv(width, width, KERNEL, dilation)
        self.second = CausalConv(width, width, KERNEL, dilation)
        self.dropout = nn.Dropout(dropout)

    def forward(self, state: Tensor) -> Tensor:
        """Return ``state`` and what is made of it."""
        made = self.dropout(functional.gelu(self.first(state)))
        return state + functional.gelu(self.second(made))

    def halved(self, state: Tensor) -> Tensor:
        """Return every second step of what is made of those that the block looks at."""
        made = self.dropout(functional.gelu(self.first.near(state)))
        return halved(state) + functional.gelu(self.second.halved(made))
