"""Transformer-XL: causal attention segment by segment, each of which remembers the one before."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from tidecast.models.deep.backbones.layers import Attention
from tidecast.models.deep.backbones.sequence import Sequence
from tidecast.models.deep.config import HEADS, Shape

__all__ = ["TransformerXl"]


class TransformerXl(Sequence):
    """Segment recurrence (Dai et al. 2019): layers see the segment before, which learns no more.

    Each layer looks one segment further back, so the window is cut into one more than there are
    layers. Positions are told by distances alone: each head has a learnt bias for each distance.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self._length = math.ceil(shape.context / (shape.depth + 1))
        self.layers = nn.ModuleList(
            Attention(shape.width, shape.dropout) for _ in range(shape.depth)
        )
        self.distance = nn.Parameter(torch.zeros(HEADS, 2 * self._length))

    def sequence(self, state: Tensor) -> Tensor:
        """See `Sequence.sequence`."""
        memories: list[Tensor | None] = [None] * len(self.layers)
        found = []
        for segment in state.split(self._length, dim=1):
            memories, segment = self._step(memories, segment)
            found.append(segment)
        return torch.cat(found, dim=1)

    def _step(
        self, memories: list[Tensor | None], state: Tensor
    ) -> tuple[list[Tensor | None], Tensor]:
        """Return what to remember of a segment, and its states (row, segment, width)."""
        kept: list[Tensor | None] = []
        for layer, memory in zip(self.layers, memories, strict=True):
            kept.append(state.detach())
            seen = state if memory is None else torch.cat([memory, state], dim=1)
            state = layer(state, seen, self._bias(state.shape[1], seen.shape[1]))
        return kept, state

    def _bias(self, n_to: int, n_from: int) -> Tensor:
        """Return the bias of each distance back, minus infinity ahead: (head, to, from)."""
        to = torch.arange(n_from - n_to, n_from, device=self.distance.device)
        back = to[:, None] - torch.arange(n_from, device=to.device)  # (to, from)
        bias = self.distance[:, back.clamp(min=0)]  # (head, to, from)
        return bias.masked_fill(back < 0, -math.inf)
