"""WaveNet: gated dilated causal convolutions, all layers of which speak to the end."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from tidecast.models.deep.backbones.layers import (
    CausalConv,
    Embed,
    Readout,
    dilations,
    join_cells,
)
from tidecast.models.deep.config import Shape
from tidecast.models.deep.space import Space

__all__ = ["WaveNet"]

KERNEL = 2


class WaveNet(nn.Module):
    """The network of van den Oord et al. (2016) as an encoder; it sees the whole window."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embed = Embed(shape)
        self.gates = nn.ModuleList(
            Gate(shape.width, dilation)
            for dilation in dilations(shape.context, KERNEL, shape.depth)
        )
        self.out = nn.Linear(shape.width, shape.width)
        self.readout = Readout(shape)

    def sequence(self, state: Tensor) -> Tensor:
        """Return (row, context, width) of the same; no step knows a later one."""
        state = state.transpose(1, 2)  # (row, width, context)
        said = torch.zeros_like(state)
        for gate in self.gates:
            state, skipped = gate(state)
            said = said + skipped
        said = said + state
        return self.out(functional.gelu(said.transpose(1, 2)))  # (row, context, width)

    def forward(self, tokens: Tensor, identity: Tensor, space: Space) -> Tensor:
        """Return the state of every cell."""
        rows = join_cells(self.embed(tokens, identity))  # (batch * cell, context, width)
        last = self.sequence(rows)[:, -1].unflatten(0, identity.shape[:2])  # (batch, cell, width)
        return self.readout(last, identity)


class Gate(nn.Module):
    """One layer: what goes on, and what is skipped to the end, (row, width, time) each."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.conv = CausalConv(width, 2 * width, KERNEL, dilation)
        self.on = nn.Conv1d(width, width, 1)
        self.skip = nn.Conv1d(width, width, 1)

    def forward(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """Return the next state, and what is skipped."""
        signal, gate = self.conv(state).chunk(2, dim=1)  # (row, width, time)
        made = torch.tanh(signal) * torch.sigmoid(gate)
        return state + self.on(made), self.skip(made)
