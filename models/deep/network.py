"""The network: one frame around any backbone, and what it is trained to make small."""

from __future__ import annotations

import torch
from torch import Tensor

from tidecast.models.deep.backbones import make_backbone
from tidecast.models.deep.config import NetworkConfig
from tidecast.models.deep.features import Features
from tidecast.models.deep.head import Forecast, Head
from tidecast.models.deep.inputs import Cells, Inputs
from tidecast.models.deep.learner import Learner
from tidecast.models.deep.normalise import Units, units_of
from tidecast.models.deep.quantiles import pinball

__all__ = ["Network"]

LIKELIHOOD_WEIGHT = 0.1
"""Of a nat beside an error of one unit."""


class Network(Learner):
    """Windows of all cells in, forecasts of all cells and leads out.

    Raises
    ------
    SettingsError
        When there is no such backbone.
    """

    levels: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.features = Features(config)
        self.backbone = make_backbone(config.backbone, config.shape)
        self.head = Head(config)
        levels = torch.tensor(config.quantile_levels)
        self.register_buffer("levels", levels, persistent=False)  # (level,)

    def forward(self, inputs: Inputs) -> Forecast:
        """Return the forecast of every cell and lead."""
        return self.said(*self.states(inputs))

    def states(self, inputs: Inputs) -> tuple[Tensor, Units]:
        """Return the state of every cell, (batch, cell, width), and the units of its window."""
        units = self.units(inputs)
        tokens, identity = self.features(inputs, units)
        state: Tensor = self.backbone(tokens, identity, inputs.cells.space)
        return state, units

    def units(self, inputs: Inputs) -> Units:
        """Return the units of windows."""
        by, day = self.config.normalise, self.config.slots_per_day
        return units_of(inputs, by, day, are_counts=self.config.likelihood != "normal")

    def said(self, state: Tensor, units: Units) -> Forecast:
        """Return the forecast that a state (batch, cell, width) makes."""
        found: Forecast = self.head(state, units)
        return found

    def learnt(self) -> Network:
        """See `Learner.learnt`."""
        return self

    def loss(self, found: Forecast, actual: Tensor, cells: Cells) -> Tensor:
        """Return one number: pinball loss, and a little of the negative log likelihood.

        ``actual`` is (batch, series, cell, lead), NaN where it counts for nothing. Errors are in
        the root of the cell's scale times that of all: between units sold, of which most are of
        large cells, and cells, of which most are small.
        """
        known = torch.isfinite(actual)
        target = torch.where(known, actual, found.distribution.mean.detach())
        scale = cells.scale.T[:, :, None]  # (series, cell, 1)
        unit = (scale * scale.mean(dim=1, keepdim=True)).sqrt()
        errors = pinball(found.quantiles, target, self.levels) / unit
        surprise = -found.distribution.log_likelihood(target)
        each = torch.where(known, errors + LIKELIHOOD_WEIGHT * surprise, 0.0)
        return each.sum() / known.sum().clamp(min=1)
