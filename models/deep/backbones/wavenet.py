"""WaveNet: gated dilated causal convolutions, all layers of which speak to the end."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from tidecast.models.deep.backbones.layers import CausalConv, dilations, halved
from tidecast.models.deep.backbones.sequence import Sequence
from tidecast.models.deep.config import Shape

__all__ = ["WaveNet"]

KERNEL = 2


class WaveNet(Sequence):
    """The network of van den Oord et al. (2016) as an encoder; it sees the whole window."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self.gates = nn.ModuleList(
            Gate(shape.width, dilation)
            for dilation in dilations(shape.context, KERNEL, shape.depth)
        )
        self.out = nn.Linear(shape.width, shape.width)

    def sequence(self, state: Tensor) -> Tensor:
        """See `Sequence.sequence`."""
        state = state.transpose(1, 2)  # (row, width, context)
        said = torch.zeros_like(state)
        for gate in self.gates:
            state, skipped = gate(state)
            said = said + skipped
        said = said + state
        return self.out(functional.gelu(said.transpose(1, 2)))  # (row, context, width)

    def last(self, state: Tensor) -> Tensor:
        """See `Sequence.last`; only the steps that it comes from are convolved."""
        state = state.transpose(1, 2)  # (row, width, context)
        said = state.new_zeros(state.shape[:2])
        for gate in self.gates:
            state, skipped = gate.halved(state)
            said = said + skipped
        return self.out(functional.gelu(said + state[:, :, -1]))  # (row, width)


class Gate(nn.Module):
    """One layer: what goes on, and what is skipped to the end, (row, width, time) each."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.conv = CausalConv(width, 2 * width, KERNEL, dilation)
        self.on = nn.Conv1d(width, width, 1)
        self.skip = nn.Conv1d(width, width, 1)

    def forward(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """Return the next state, and what is skipped."""
        made = _gated(self.conv(state))
        return state + self.on(made), self.skip(made)

    def halved(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """Return every second step of the next state, and what its last step skips, (row, width).

        Of ``state`` there are those steps that the layer looks at.
        """
        made = _gated(self.conv.halved(state))
        return halved(state) + self.on(made), self.skip(made[:, :, -1:])[:, :, 0]


def _gated(convolved: Tensor) -> Tensor:
    signal, gate = convolved.chunk(2, dim=1)  # (row, width, time)
    return torch.tanh(signal) * torch.sigmoid(gate)
