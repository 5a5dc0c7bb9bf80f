"""An ensemble: networks that were trained from different seeds, and what they say on average."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from tidecast.models.deep.inputs import Inputs
from tidecast.models.deep.network import Network

__all__ = ["Averaged", "Ensemble"]


@dataclass(frozen=True)
class Averaged:
    """The mean over networks, in the series' own unit; quantiles rise along their axis."""

    mean: Tensor  # (batch, series, cell, lead)
    quantiles: Tensor  # (batch, series, cell, lead, level)


class Ensemble(nn.Module):
    """Networks of one configuration; each quantile is the mean of theirs (Vincent averaging)."""

    def __init__(self, networks: Sequence[Network]) -> None:
        super().__init__()
        self.config = networks[0].config
        self.members = nn.ModuleList(networks)

    def forward(self, inputs: Inputs) -> Averaged:
        """Return the forecast of every cell and lead."""
        said = [cast(Network, member)(inputs) for member in self.members]
        mean = torch.stack([each.mean for each in said]).mean(dim=0)
        return Averaged(mean, torch.stack([each.quantiles for each in said]).mean(dim=0))
