"""Sequence to sequence: an encoder of the window, a decoder of the leads that looks back at it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tidecast.models.deep.backbones.layers import Embed, Readout, join_cells
from tidecast.models.deep.config import Shape
from tidecast.models.deep.space import Space

__all__ = ["Seq2Seq"]


class Seq2Seq(nn.Module):
    """Two recurrent networks with attention between them (Bahdanau et al. 2015, Luong et al. 2015).

    The decoder is fed with what it found, not with forecasts: nothing is drawn, all leads come at
    once.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self._horizon = shape.horizon
        per_lead = max(1, 2 * shape.width // shape.horizon)
        self.embed = Embed(shape)
        self.encoder = nn.GRU(shape.width, shape.width, shape.depth, batch_first=True)
        self.decoder = nn.GRUCell(shape.width, shape.width)
        self.query = nn.Linear(shape.width, shape.width)
        self.lead = nn.Linear(2 * shape.width, per_lead)
        self.leads = nn.Linear(shape.horizon * per_lead, shape.width)
        self.readout = Readout(shape)

    def sequence(self, state: Tensor) -> Tensor:
        """Return the encoded (row, context, width); no step knows a later one."""
        found: Tensor = self.encoder(state)[0]
        return found

    def forward(self, tokens: Tensor, identity: Tensor, space: Space) -> Tensor:
        """Return the state of every cell."""
        encoded = self.sequence(join_cells(self.embed(tokens, identity)))  # (row, context, width)
        leads = self.leads(self._decoded(encoded).flatten(1))  # (row, width)
        return self.readout(leads.unflatten(0, identity.shape[:2]), identity)

    def _decoded(self, encoded: Tensor) -> Tensor:
        """Return what is found for each lead: (row, lead, channel)."""
        state = found = encoded[:, -1]  # (row, width)
        leads = []
        for _ in range(self._horizon):
            state = self.decoder(found, state)
            found = self._attended(state, encoded)
            leads.append(torch.tanh(self.lead(torch.cat([state, found], dim=-1))))
        return torch.stack(leads, dim=1)  # (row, lead, channel)

    def _attended(self, state: Tensor, encoded: Tensor) -> Tensor:
        query = self.query(state)[:, :, None]  # (row, width, 1)
        scores = (encoded @ query)[:, :, 0] * encoded.shape[-1] ** -0.5  # (row, context)
        return (scores.softmax(dim=-1)[:, None] @ encoded)[:, 0]  # (row, width)
