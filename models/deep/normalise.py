"""Levels and scales: what a network sees are departures from a level, in units of a scale.

Of the window itself, as in reversible instance normalisation (Kim et al. 2022), but masked, and
with a scale that leans on the cell's where the window is short; or of the cell.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tidecast.models.deep.config import NormaliseBy
from tidecast.models.deep.inputs import Inputs

__all__ = ["Units", "units_of"]

PRIOR = 12.0
"""Values that the scale of the cell counts for beside those of the window."""

FURTHEST = 5.0
"""Scales: a window further from its cell's usual level is taken for so far."""


@dataclass(frozen=True)
class Units:
    """A level and a scale for each window, cell and series.

    ``standing`` is how far the level of the window is from the usual one of the cell, in scales:
    what is lost by taking levels from windows, but bounded, so that no shift of level reaches what
    was never seen.
    """

    level: Tensor  # (batch, cell, series)
    scale: Tensor  # (batch, cell, series), > 0
    standing: Tensor  # (batch, cell, series)

    def normalised(self, values: Tensor) -> Tensor:
        """Return (batch, time, cell, series) in these units."""
        return (values - self.level[:, None]) / self.scale[:, None]


def units_of(inputs: Inputs, by: NormaliseBy) -> Units:
    """Return the units in which a network sees ``inputs``; what is not known tells nothing."""
    usual, usual_scale = inputs.cells.level, inputs.cells.scale  # (cell, series)
    weight = inputs.known.float()  # (batch, context, cell, series)
    count = weight.sum(1)  # (batch, cell, series)
    departure = torch.where(inputs.known, inputs.values - usual, 0.0)
    mean = departure.sum(1) / count.clamp(min=1.0)  # (batch, cell, series), from the usual level
    standing = (mean / usual_scale).clamp(-FURTHEST, FURTHEST)
    if by == "cell":
        level = usual.expand_as(mean)
        return Units(level, usual_scale.expand_as(mean), standing)
    squares = (weight * (departure - mean[:, None]) ** 2).sum(1)  # (batch, cell, series)
    variance = (squares + PRIOR * usual_scale**2) / (count + PRIOR)
    return Units(usual + mean, variance.sqrt(), standing)
