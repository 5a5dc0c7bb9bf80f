"""What a network is given: a batch of windows, and what is known of their cells."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tidecast.models.deep.space import Space

__all__ = ["UNSEEN", "Cells", "Inputs"]

UNSEEN = 0
"""The embedding that cells share that were not there in training."""


@dataclass(frozen=True)
class Cells:
    """The cells of a batch, in the order of its axis.

    ``level`` and ``scale`` are a cell's usual mean and spread over a long time, known at the
    origin, in the series' own unit.
    """

    number: Tensor  # (cell,) int64, of the embedding; 0 = unseen in training
    level: Tensor  # (cell, series)
    scale: Tensor  # (cell, series), > 0
    static: Tensor  # (cell, feature)
    space: Space

    def to(self, device: torch.device) -> Cells:
        """Return the same on ``device``."""
        return Cells(
            self.number.to(device),
            self.level.to(device),
            self.scale.to(device),
            self.static.to(device),
            self.space.to(device),
        )


@dataclass(frozen=True)
class Inputs:
    """Windows of a batch: the last ``context`` bins, and what is known of ``horizon`` bins ahead.

    ``values`` are in the series' own unit, anything finite where not ``known``.
    """

    values: Tensor  # (batch, context, cell, series)
    known: Tensor  # (batch, context, cell, series) bool
    calendar: Tensor  # (batch, context + lead, 2) int64: slot of the day, day of the week
    future: Tensor  # (batch, context + lead, cell, covariate)
    cells: Cells
