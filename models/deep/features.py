"""Features: the windows as tokens, and what tells one cell and one hour from another."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tidecast.models.deep.config import NetworkConfig
from tidecast.models.deep.inputs import UNSEEN, Cells, Inputs
from tidecast.models.deep.normalise import Units

__all__ = ["CLIP", "Features"]

CLIP = 20.0
"""Scales: a value further from its level is seen as so far."""

DAYS = 7


class Features(nn.Module):
    """Makes tokens (batch, context, cell, channel) and identities (batch, cell, identity).

    An identity says which cell it is, at which hour and weekday the bins ahead begin, what is
    known of them, how the window's level stands to the usual one (spatial and temporal identity:
    Shao et al. 2022), how far a season goes from that level, and how all cells departed from it
    together. In training a few cells pass for unseen ones, so that the embedding of these is a
    forecast of what any cell is like.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        width = config.embedding_width
        self._context = config.context_length
        self._unseen = config.unseen
        self._has_season = config.normalise == "season"
        self.cell = nn.Embedding(config.n_cells + 1, width)
        self.hour = nn.Embedding(config.slots_per_day, width)
        self.day = nn.Embedding(DAYS, width)
        n_ahead = config.horizon * config.n_future
        self.static = nn.Linear(config.n_static, width) if config.n_static else None
        self.ahead = nn.Linear(n_ahead, width) if n_ahead else None
        for embedding in (self.cell, self.hour, self.day):
            nn.init.normal_(embedding.weight, std=width**-0.5)

    def forward(self, inputs: Inputs, units: Units) -> tuple[Tensor, Tensor]:
        """Return tokens and identities."""
        return self._tokens(inputs, units), self._identity(inputs, units)

    def _tokens(self, inputs: Inputs, units: Units) -> Tensor:
        values = units.normalised(inputs.values).clamp(-CLIP, CLIP)
        seen = torch.where(inputs.known, values, 0.0)  # (batch, context, cell, series)
        future = inputs.future[:, : self._context]  # (batch, context, cell, covariate)
        return torch.cat([seen, inputs.known.float(), future], dim=-1)

    def _identity(self, inputs: Inputs, units: Units) -> Tensor:
        n_batch, n_cells = units.level.shape[:2]
        first = inputs.calendar[:, self._context]  # (batch, 2)
        parts = [
            self._embedded(inputs.cells).expand(n_batch, -1, -1),  # (batch, cell, embedding)
            self.hour(first[:, 0])[:, None].expand(-1, n_cells, -1),
            self.day(first[:, 1])[:, None].expand(-1, n_cells, -1),
            units.standing,  # (batch, cell, series)
            units.common,  # (batch, cell, number)
        ]
        if self._has_season:
            season = (units.ahead - units.level[:, None]) / units.scale[:, None]
            parts.append(season.clamp(-CLIP, CLIP).transpose(1, 2).flatten(2))
        if self.static is not None:
            parts.append(self.static(inputs.cells.static).expand(n_batch, -1, -1))
        if self.ahead is not None:
            ahead = inputs.future[:, self._context :].transpose(1, 2)
            parts.append(self.ahead(ahead.flatten(2)))  # (batch, cell, embedding)
        return torch.cat(parts, dim=-1)  # (batch, cell, identity)

    def _embedded(self, cells: Cells) -> Tensor:
        number = cells.number  # (cell,)
        if self.training and self._unseen:
            forgotten = torch.rand(number.shape, device=number.device) < self._unseen
            number = number.masked_fill(forgotten, UNSEEN)
        return self.cell(number)  # (cell, embedding)
