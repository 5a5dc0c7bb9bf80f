"""Adapters: a network that stays as it is, with something small beside each of its matrices."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call

from tidecast.models.deep.head import Forecast
from tidecast.models.deep.inputs import Cells, Inputs
from tidecast.models.deep.learner import Learner
from tidecast.models.deep.network import Network

__all__ = ["PARTS", "Adapted", "begin_with"]

RANK = 4

PARTS = ("head", "adapters", "all")
"""What of a network goes on learning."""

OF_SHOP = ("head.", "features.cell.")
"""What every shop has of its own, whatever part learns."""


class Adapted(Learner):
    """Learns the sum of a matrix and a product of two narrow ones (LoRA, Hu et al. 2022).

    The backbone's own weights stay; the product begins as zero. Head and cells learn as ever.
    Merged, it is a network like any other and answers as fast.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = _only_of_shop(network)
        adapted = {n: w for n, w in network.named_parameters() if _is_adapted(n, w)}
        self.down = nn.ParameterDict({_key(n): _down(w) for n, w in adapted.items()})
        self.up = nn.ParameterDict({_key(n): torch.zeros(len(w), RANK) for n, w in adapted.items()})

    def forward(self, inputs: Inputs) -> Forecast:
        """Return the forecast of every cell and lead."""
        found: Forecast = functional_call(self.network, self._merged(), (inputs,))
        return found

    def loss(self, found: Forecast, actual: Tensor, cells: Cells) -> Tensor:
        """See `Learner.loss`."""
        return self.network.loss(found, actual, cells)

    @torch.no_grad()
    def learnt(self) -> Network:
        """See `Learner.learnt`."""
        network = copy.deepcopy(self.network)
        for name, weight in self._merged().items():
            network.get_parameter(name).copy_(weight)
        return network

    def _merged(self) -> Mapping[str, Tensor]:
        """Return the matrices of the backbone as they are now."""
        weights = dict(self.network.named_parameters())
        merged = {}
        for key, up in self.up.items():
            weight = weights[_name(key)]
            merged[_name(key)] = weight + (up @ self.down[key]).view_as(weight)
        return merged


def begin_with(network: Network, part: str) -> Learner:
    """Return what learns when only a ``part`` of `PARTS` of ``network`` does."""
    if part == "adapters":
        return Adapted(network)
    return network if part == "all" else _only_of_shop(network)


def _only_of_shop(network: Network) -> Network:
    """Let only the head and the embeddings of cells learn; return ``network``."""
    for name, weight in network.named_parameters():
        weight.requires_grad_(name.startswith(OF_SHOP))
    return network


def _is_adapted(name: str, weight: Tensor) -> bool:
    return name.startswith("backbone.") and weight.ndim > 1


def _down(weight: Tensor) -> Tensor:
    """Return a matrix that narrows what ``weight`` is multiplied with: (rank, ...)."""
    n_in = weight[0].numel()
    return torch.randn(RANK, n_in) * n_in**-0.5


def _key(name: str) -> str:
    return name.replace(".", "/")  # a dot may not be in the name of a parameter


def _name(key: str) -> str:
    return key.replace("/", ".")
