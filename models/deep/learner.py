"""What a trainer trains: a network, or one inside what only its learning needs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from tidecast.models.deep.inputs import Cells, Inputs

if TYPE_CHECKING:
    from tidecast.models.deep.network import Network

__all__ = ["Costs", "Learner"]


class Learner(nn.Module, ABC):
    """A module that makes something of `Inputs`, and tells how far that is from what came.

    In training it may be asked for more than a forecast; when judged it is asked for that alone.
    """

    @abstractmethod
    def loss(self, found: Any, actual: Tensor, cells: Cells) -> Tensor:
        """Return one number: how far what was ``found`` is from ``actual``.

        ``actual`` is (batch, series, cell, lead), NaN where it counts for nothing.
        """

    @abstractmethod
    def learnt(self) -> Network:
        """Return the network that forecasts, without what only learning needs."""


class Costs(nn.Module):
    """The loss of a learner as one call, in which other weights may stand for its own."""

    def __init__(self, learner: Learner) -> None:
        super().__init__()
        self.learner = learner

    def forward(self, inputs: Inputs, actual: Tensor) -> Tensor:
        """Return the loss of windows whose leads were ``actual``, (batch, series, cell, lead)."""
        return self.learner.loss(self.learner(inputs), actual, inputs.cells)
