"""Transformer-XL: causal attention segment by segment, each of which remembers the one before."""

from __future__ import annotations

import math
from collections import abc

import torch
from torch import Tensor, nn

from tidecast.models.deep.backbones.layers import Attention
from tidecast.models.deep.backbones.sequence import Sequence
from tidecast.models.deep.config import HEADS, Shape

__all__ = ["TransformerXl"]

Segments = abc.Sequence[Tensor]


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
        segments: Segments = state.split(self._length, dim=1)
        for layer in self.layers:
            segments = self._after(layer, segments, n_last=len(segments))
        return torch.cat(segments, dim=1)

    def last(self, state: Tensor) -> Tensor:
        """See `Sequence.last`; a layer goes over as many segments as there are layers left."""
        segments: Segments = state.split(self._length, dim=1)
        for n_before, layer in enumerate(self.layers):
            segments = self._after(layer, segments, n_last=len(self.layers) - n_before)
        return segments[-1][:, -1]

    def _after(self, layer: nn.Module, segments: Segments, n_last: int) -> Segments:
        """Return the last segments after a layer, (row, segment, width) each."""
        befores = (None, *segments[:-1])
        pairs = list(zip(befores, segments, strict=True))[-n_last:]
        return [self._seeing(layer, before, segment) for before, segment in pairs]

    def _seeing(self, layer: nn.Module, before: Tensor | None, state: Tensor) -> Tensor:
        """Return a segment that has looked back at itself and the one before."""
        seen = state if before is None else torch.cat([before.detach(), state], dim=1)
        found: Tensor = layer(state, seen, self._bias(state.shape[1], seen.shape[1]))
        return found

    def _bias(self, n_to: int, n_from: int) -> Tensor:
        """Return the bias of each distance back, minus infinity ahead: (head, to, from)."""
        to = torch.arange(n_from - n_to, n_from, device=self.distance.device)
        back = to[:, None] - torch.arange(n_from, device=to.device)  # (to, from)
        bias = self.distance[:, back.clamp(min=0)]  # (head, to, from)
        return bias.masked_fill(back < 0, -math.inf)
